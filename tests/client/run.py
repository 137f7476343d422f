"""Generates clients from the document as it is, and as it is once answers got new fields, and uses both.

Each is used against the service as it is, and against one that sends the fields.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import python_client  # noqa: E402
import typescript_client  # noqa: E402
from added import later_document  # noqa: E402
from later_service import later_service  # noqa: E402
from service import keyed_service  # noqa: E402

GENERATED = ROOT / "target" / "generated-clients"
CHECKS = {"before": python_client.check_before, "after": python_client.check_after}


def generate() -> None:
    """Generates the clients of before and after."""
    before = ROOT / "openapi" / "openapi.json"
    after = GENERATED / "later.json"
    GENERATED.mkdir(parents=True, exist_ok=True)
    after.write_text(json.dumps(later_document(json.loads(before.read_text())), indent=2))
    for when, document in {"before": before, "after": after}.items():
        python_client.generate(document, GENERATED / "python", when)
        typescript_client.generate(document, GENERATED / "typescript" / when, when)


def use(when: str, address: str, secret: str, is_later: bool) -> None:
    """Uses the clients of before or after against the service of now or later."""
    CHECKS[when](python_client.use(when, address, secret), is_later)
    typescript_client.use(GENERATED / "typescript" / when, when, address, secret, is_later)
    service = "sends new fields" if is_later else "is as it is"
    print(f"the clients generated {when} new fields work with a service that {service}")


if __name__ == "__main__":
    generate()
    with keyed_service() as (address, secret), later_service(address) as later:
        for when in CHECKS:
            use(when, address, secret, is_later=False)
            use(when, later, secret, is_later=True)
