"""The service of the future: whatever the service answers, with the fields that answers get later."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from added import later_answer

# Headers that concern one connection and not the answer, and the one that asks for an answer that is not plain JSON.
_NOT_PASSED_ON = {"host", "connection", "transfer-encoding", "content-length", "accept-encoding"}


@contextmanager
def later_service(address: str) -> Iterator[str]:
    """Runs a proxy before the service at this address; gives its own address."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
            service = HTTPConnection(urlsplit(address).netloc, timeout=30)
            try:
                service.request(self.command, self.path, body or None, headers)
                answer = service.getresponse()
                self._answer(answer.status, answer.getheaders(), answer.read())
            finally:
                service.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            # Problems are objects like any other: they get the fields too.
            body = json.dumps(later_answer(json.loads(body))).encode()
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: the clients say what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}"
        finally:
            proxy.shutdown()
