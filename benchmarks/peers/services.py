"""The services that ours is measured against: made ready, started, asked and stopped.

`services.py DIRECTORY [NAME …]` makes what they need in a directory.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import environments as made  # noqa: E402

STOPPING_SECONDS = 10

Launch = tuple[list[str], dict[str, str]]
"""A command, and the environment variables that it reads."""


@dataclass(frozen=True)
class Peer:
    """A service that answers the same question."""

    name: str
    title: str
    """What it is called in tables."""
    keeps_record: bool
    path: str
    script: Path
    """The request, for wrk."""
    workers: int = 1


# A request needs one of FastAPI's 40 threads twice, to be answered and to have the answer checked,
# and keeps one of the pool's 15 connections in between. From 55 clients on, all threads may wait
# for connections, which wait for threads, until the pool gives up after 30 seconds.
TUTORIAL = Peer(
    name="tutorial",
    title="the tutorial's service (FastAPI, MLflow, SQLAlchemy)",
    keeps_record=True,
    path="/predict",
    script=HERE / "predict.lua",
)
TUNED = Peer(
    name="tuned",
    title="a tuned Python service (FastAPI, uvloop, asyncpg, onnxruntime)",
    keeps_record=True,
    path="/predict",
    script=HERE / "predict.lua",
    workers=2,
)
MLSERVER = Peer(
    name="mlserver",
    title="MLServer (sklearn runtime), no record",
    keeps_record=False,
    path="/v2/models/iris/infer",
    script=HERE / "mlserver.lua",
)
PEERS = [TUTORIAL, TUNED, MLSERVER]

# Where the services log that run, by port.
_logs: dict[int, Path] = {}


def prepare(environments: Path, names: Iterable[str] = made.NAMES) -> None:
    """Makes what the peers of these names need, below `environments`, unless it is there and fits.

    The names are those of `PEERS`, and `inference`.
    """
    made.prepare(environments, names)


def start(
    peer: Peer, environments: Path, port: int, database: str | None, log: Path
) -> subprocess.Popen[bytes]:
    """Starts a service on a port of the loopback interface, in a process group of its own.

    `database` is `postgresql://USER@HOST:PORT/NAME`, a database for this service alone: it creates
    its tables there, and each has other ones.
    """
    environments = environments.resolve()
    if peer.keeps_record and database is None:
        raise ValueError(f"{peer.name} keeps a record and needs a database")
    command, variables = LAUNCHES[peer.name](environments, port, database or "")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    # MLServer reads its settings, and writes its metrics, where it runs.
    directory = made.artifact(environments, "mlserver") if peer == MLSERVER else environments
    _logs[port] = log
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **quiet, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def ready(peer: Peer, port: int) -> bool:
    """Whether every worker of a service has started, and a prediction is answered with 200."""
    # The first worker would get all connections if the others came later.
    if peer.workers > 1 and _logs[port].read_text().count("startup complete") < peer.workers:
        return False
    (body,) = re.findall("^wrk.body = '(.+)'$", peer.script.read_text(), re.MULTILINE)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{peer.path}",
        data=body.encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a service with all its workers: asks, and after 10 seconds does not ask any more."""
    _signal(process, signal.SIGTERM)
    try:
        process.wait(STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    # Workers may outlive the process that started them.
    _signal(process, signal.SIGKILL)
    process.wait()


def inference(environments: Path, root: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Nanoseconds per row, by library and by rows per batch, on the weights below `root`."""
    program = [str(made.python(environments.resolve())), "-B", str(HERE / "inference.py")]
    options = [f"--weights={root / 'weights'}", f"--seconds={seconds}"]
    output = subprocess.run([*program, *options], check=True, stdout=subprocess.PIPE).stdout
    figures: dict[str, dict[str, float]] = json.loads(output)
    return figures


def _tutorial(environments: Path, port: int, database: str) -> Launch:
    return _uvicorn(TUTORIAL, "service:app", environments, port), {
        "DATABASE_URL": database.replace("postgresql:", "postgresql+psycopg2:", 1),
        "MODEL": str(made.artifact(environments, "tutorial")),
    }


def _tuned(environments: Path, port: int, database: str) -> Launch:
    return _uvicorn(TUNED, "tuned:app", environments, port), {
        "DATABASE_URL": database,
        "MODEL": str(made.artifact(environments, "tuned.onnx")),
    }


def _mlserver(environments: Path, port: int, _database: str) -> Launch:
    program = made.python(environments, "mlserver").with_name("mlserver")
    return [str(program), "start", "."], {
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(_free_port()),
        "MLSERVER_METRICS_PORT": str(_free_port()),
    }


LAUNCHES = {"tutorial": _tutorial, "tuned": _tuned, "mlserver": _mlserver}


def _uvicorn(peer: Peer, app: str, environments: Path, port: int) -> list[str]:
    command = [str(made.python(environments)), "-B", "-m", "uvicorn", app, f"--port={port}"]
    command += [f"--app-dir={HERE / peer.name}", "--no-access-log"]
    return command if peer.workers == 1 else [*command, f"--workers={peer.workers}"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), sys.argv[2:] or made.NAMES)
