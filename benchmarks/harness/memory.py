"""What the service keeps in memory after many predictions."""

import math
from pathlib import Path
from typing import Any

from . import record
from .cluster import Cluster
from .contestants import ours
from .flower import Client, batch_body, body
from .load import closed_loop, exactly
from .places import PREDICT_LUA
from .progress import say

FIRST = 10_000
_CONNECTIONS = 64
_DATABASE = "memory"


def memory(cluster: Cluster, predictions: int) -> dict[str, Any]:
    """Resident memory in MB of a fresh service, early and after so many predictions by `POST /predict`."""
    with ours(cluster, _DATABASE, _DATABASE) as service:
        url = f"{service.url}/predict"
        exactly(url, body(), _CONNECTIONS, FIRST)
        early = _resident(service.pid)
        done, rate = _count(cluster), 20_000.0
        while done < predictions:
            seconds = min(20, math.ceil((predictions - done) / rate))
            load = closed_loop(url, PREDICT_LUA, _CONNECTIONS, seconds)
            rate, done = load.per_second, _count(cluster)
        late = _resident(service.pid)
        with Client(service.url) as client:
            for _ in range(20):
                client.post("/predict/batch", batch_body())
        batches = _resident(service.pid)
    cluster.sql("postgres", f"drop database {_DATABASE}")
    say(
        f"memory: {early:.1f} MB after {FIRST:,} predictions, {late:.1f} MB after {done:,}, "
        f"{batches:.1f} MB after 20 batches of 10,000 more"
    )
    return {"predictions": done, "early_mb": early, "late_mb": late, "batches_mb": batches}


def _count(cluster: Cluster) -> int:
    return record.settled(cluster, _DATABASE)[0]


def _resident(pid: int | None) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the system does not say how much memory is resident")
