"""What `promtool check metrics` says of the figures that the service serves."""

import subprocess
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from service import running_service  # noqa: E402


def figures(address: str) -> bytes:
    """The figures after some requests; promtool reads only the older format."""
    body = b'{"sepal_width": 3.5, "sepal_length": 5.1, "petal_width": 0.2, "petal_length": 1.4}'
    json = {"Content-Type": "application/json"}
    for _ in range(3):
        request = urllib.request.Request(f"{address}/predict", body, json)
        urllib.request.urlopen(request).close()
    older = urllib.request.Request(f"{address}/metrics", headers={"Accept": "text/plain"})
    with urllib.request.urlopen(older) as answer:
        return answer.read()


if __name__ == "__main__":
    with running_service() as address:
        text = figures(address)
    check = subprocess.run(["promtool", "check", "metrics"], input=text)
    if check.returncode:
        sys.exit("promtool finds fault with the figures")
    print(f"promtool finds no fault with {len(text)} bytes of figures")
