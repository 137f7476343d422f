"""Everything that answers `POST /predict`, and pgbench, which does the database's part of it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import earlier, record
from .cluster import Cluster, without_database
from .load import Load, closed_loop
from .pgbench import ONE_STATEMENT, TWO_INSERTS, pgbench
from .places import ENVIRONMENTS, LOGS, PREDICT_LUA, PROGRAMS, WORK
from .processes import accepts, free_port, run, running, wait_until

OURS = "ours"
GUARDED = "guarded"
EARLIER = "earlier"
# With more than its 40 threads, the tutorial's requests wait for connections that wait for threads, until all fail
# after 30 s. Fewer are to its advantage.
_MOST_CONNECTIONS = {"tutorial": 32}


@dataclass(frozen=True)
class Contestant:
    """Something that can be put under load; `database` is where it keeps its record, if it does."""

    name: str
    title: str
    database: str | None
    load: Callable[[int, int], Load]
    log: Path | None = None
    pid: int | None = None
    url: str = ""
    # Of somebody else: refusals are its own affair, and do not count as answers.
    foreign: bool = False
    most_connections: int | None = None

    def throughput(self, cluster: Cluster, connections: int, seconds: int) -> Load:
        """A closed loop, and the proof that what was answered is on the record."""
        self.prepare(cluster)
        connections = min(connections, self.most_connections or connections)
        load = self.load(connections, seconds)
        self.check(cluster, load, connections)
        return load

    def prepare(self, cluster: Cluster) -> None:
        """An empty record and an empty log, so that every cell begins alike."""
        if self.log is not None:
            os.truncate(self.log, 0)
        if self.database is not None:
            record.empty(cluster, self.database)

    def check(self, cluster: Cluster, load: Load, connections: int) -> None:
        """Fails if anything was refused, or if the record is not what was answered."""
        if load.refused and not self.foreign:
            raise record.Mismatch(f"{self.title} refused {load.refused} requests")
        if self.database is not None:
            record.check(cluster, self.database, load.ok, connections, self.title)


def migrate(cluster: Cluster, database: str, program: Path = PROGRAMS / "onrecord") -> str:
    """A database with the schema of the service; gives its address."""
    url = cluster.create(database)
    run([program, "migrate"], env={**without_database(), "DATABASE_URL": url})
    return url


@contextmanager
def service(
    program: Path,
    url: str | None,
    name: str,
    title: str,
    database: str | None,
    keys: Path | None = None,
) -> Iterator[Contestant]:
    """One of the project's own programs; `keys`: the file of the only keys that it serves."""
    port, log = free_port(), LOGS / f"{name}.log"
    environment = without_database() | ({"DATABASE_URL": url} if url else {})
    key = _new_key(program, keys) if keys else None
    if keys:
        environment["API_KEYS_FILE"] = str(keys)
    with running(
        [program, "--listen", f"127.0.0.1:{port}"], log, environment
    ) as process:
        wait_until(lambda: accepts(port), process, log)
        address = f"http://127.0.0.1:{port}"

        def load(connections: int, seconds: int) -> Load:
            return closed_loop(f"{address}/predict", PREDICT_LUA, connections, seconds, key)

        yield Contestant(name, title, database, load, log, process.pid, address)


def _new_key(program: Path, file: Path) -> str:
    file.unlink(missing_ok=True)
    return run([program, "key", "new", "--scope", "predict", "--api-keys-file", file]).strip()


@contextmanager
def ours(cluster: Cluster, database: str, name: str = OURS) -> Iterator[Contestant]:
    """The service as it is delivered, with its defaults."""
    url = migrate(cluster, database)
    with service(PROGRAMS / "onrecord", url, name, "Onrecord", database) as contestant:
        yield contestant


@contextmanager
def contestants(
    cluster: Cluster, peers: Sequence[str], before: str | None
) -> Iterator[dict[str, Contestant]]:
    """All of them, started once; whoever is not under load is idle. `before`: a commit whose service takes part."""
    with ExitStack() as stack:
        enter = stack.enter_context
        started = [enter(ours(cluster, OURS))]
        constant = "constant answer: no model, no record"
        started.append(enter(service(PROGRAMS / "constant", None, "constant", constant, None)))
        title = "naive: pool, BEGIN, two INSERTs, COMMIT"
        url = migrate(cluster, "naive")
        started.append(enter(service(PROGRAMS / "naive", url, "naive", title, "naive")))
        if before is not None:
            program = earlier.build(before)
            url = migrate(cluster, EARLIER, program)
            title = f"Onrecord as of `{before}`"
            started.append(enter(service(program, url, EARLIER, title, EARLIER)))
        url = migrate(cluster, GUARDED)
        title, keys = "Onrecord, with API keys", WORK / "api-keys"
        started.append(enter(service(PROGRAMS / "onrecord", url, GUARDED, title, GUARDED, keys)))
        migrate(cluster, "pgbench")
        scripts: Mapping[str, tuple[str, str]] = {
            "pgbench": ("pgbench, one statement", ONE_STATEMENT),
            "pgbench_two": ("pgbench, two INSERTs in a transaction", TWO_INSERTS),
        }
        for name, (title, script) in scripts.items():
            started.append(Contestant(name, title, "pgbench", _pgbench(cluster, script)))
        started += [enter(_peer(cluster, name)) for name in peers]
        yield {contestant.name: contestant for contestant in started}


def _pgbench(cluster: Cluster, script: str) -> Callable[[int, int], Load]:
    return lambda clients, seconds: pgbench(cluster, "pgbench", script, clients, seconds)


@contextmanager
def _peer(cluster: Cluster, name: str) -> Iterator[Contestant]:
    from peers import services

    peer: Any = next(peer for peer in services.PEERS if peer.name == name)
    database = name if peer.keeps_record else None
    url = cluster.create(name) if peer.keeps_record else None
    port, log = free_port(), LOGS / f"{name}.log"
    log.touch()
    process = services.start(peer, ENVIRONMENTS, port, url, log)
    try:
        wait_until(lambda: services.ready(peer, port), process, log, seconds=120)
        address = f"http://127.0.0.1:{port}"

        def load(connections: int, seconds: int) -> Load:
            return closed_loop(f"{address}{peer.path}", peer.script, connections, seconds)

        yield Contestant(
            name,
            peer.title,
            database,
            load,
            url=address,
            foreign=True,
            most_connections=_MOST_CONNECTIONS.get(name),
        )
    finally:
        services.stop(process)
