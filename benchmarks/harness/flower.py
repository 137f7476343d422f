"""Single requests to the service, with the flower of `predict.lua`, and batches of real ones."""

import csv
import http.client
import itertools
import json
import re
import socket
from functools import cache
from urllib.parse import urlsplit

from .places import PREDICT_LUA, ROOT

BATCH_ROWS = 10_000
_COLUMNS = ("sepal_width", "sepal_length", "petal_width", "petal_length")


@cache
def body() -> str:
    """The one flower that every contestant is asked about."""
    found = re.search(r"wrk\.body\s*=\s*'(.*)'", PREDICT_LUA.read_text())
    if found is None:
        raise RuntimeError(f"{PREDICT_LUA} has no body")
    return found[1]


@cache
def batch_body() -> bytes:
    """The 150 flowers of the data, again and again."""
    with (ROOT / "weights" / "iris.csv").open(newline="") as file:
        flowers = [{name: float(row[name]) for name in _COLUMNS} for row in csv.DictReader(file)]
    rows = itertools.islice(itertools.cycle(flowers), BATCH_ROWS)
    return json.dumps({"instances": list(rows)}, separators=(",", ":")).encode()


class Client:
    """One connection that is kept."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=30)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, path: str, body: str | bytes) -> bytes:
        return self._ask("POST", path, body)

    def get(self, path: str) -> bytes:
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: str | bytes | None) -> bytes:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text


def predict(url: str) -> None:
    with Client(url) as client:
        client.post("/predict", body())
