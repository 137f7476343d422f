"""What Schemathesis cannot know of the document."""

import re
import uuid

import schemathesis

VALID = re.compile(r"[!-~]{1,255}")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each request a key of its own: one that was used for another request is refused, as it must be."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and VALID.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
