"""From starting the program to being ready, with a database that is there."""

import http.client
import statistics
import time

from .cluster import Cluster, without_database
from .contestants import migrate
from .places import LOGS, PROGRAMS
from .processes import free_port, running
from .progress import say

STARTS = 9


def startup(cluster: Cluster) -> list[float]:
    """Milliseconds of each of several starts."""
    url = migrate(cluster, "startup")
    times = [_start(url) for _ in range(STARTS)]
    say(f"start to ready: {statistics.median(times):.0f} ms")
    return times


def _start(url: str) -> float:
    port = free_port()
    environment = {**without_database(), "DATABASE_URL": url, "LISTEN": f"127.0.0.1:{port}"}
    start = time.perf_counter()
    with running([PROGRAMS / "onrecord"], LOGS / "startup.log", environment) as process:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - start > 30:
                raise RuntimeError("the service does not get ready; see startup.log")
            time.sleep(0.001)
        return (time.perf_counter() - start) * 1000


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
