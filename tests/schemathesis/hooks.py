"""What Schemathesis cannot know of the document."""

import re
import uuid
from datetime import datetime

import schemathesis

VALID = re.compile(r"[!-~]{1,255}")
# The lower bound and the upper one: what ends before it begins is refused, as it must be.
BOUNDS = [("from", "to"), ("min_confidence", "max_confidence")]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each request a key of its own, as one that was used for another request is refused; puts bounds in order."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and VALID.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    query = case.query or {}
    for lower, upper in BOUNDS:
        if lower in query and upper in query and is_out_of_order(query[lower], query[upper]):
            query[lower], query[upper] = query[upper], query[lower]


def is_out_of_order(lower, upper):
    """Of numbers or times; what is neither is left as it is."""
    for read in (float, datetime.fromisoformat):
        try:
            return read(lower) > read(upper)
        except (TypeError, ValueError):
            pass
    return False
