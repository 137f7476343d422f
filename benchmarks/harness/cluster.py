"""A PostgreSQL of our own, with every promise of durability on."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .places import LOGS
from .processes import free_port, run, running, stop, wait_until

USER = "bench"

# What differs from PostgreSQL's defaults, or must not differ from them.
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    # Segments of the WAL are used again, as in a database that is not new.
    "min_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    # Every cell begins with empty tables; nobody should pay for the rows that another left.
    "autovacuum": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "400",
}
SHOWN = [*SETTINGS, "wal_sync_method", "commit_delay", "wal_compression", "autovacuum"]


class Cluster:
    """A running server: databases are made in it and asked things."""

    def __init__(self, programs: Path, directory: Path, port: int) -> None:
        self.programs = programs
        # On the file system of the data.
        self.directory = directory
        self.port = port

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def environment(self) -> dict[str, str]:
        """For PostgreSQL's own clients."""
        own = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER}
        return {**without_database(), **own}

    def client(self, program: str, *arguments: str | Path) -> str:
        return run([self.programs / program, *arguments], env=self.environment())

    def sql(self, database: str, *statements: str) -> str:
        """What the statements print, without decoration."""
        commands = [part for statement in statements for part in ("-c", statement)]
        return self.client(
            "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, *commands
        ).strip()

    def create(self, database: str) -> str:
        """Makes an empty database; gives its address."""
        self.sql("postgres", f"create database {database}")
        return self.url(database)

    def settings(self) -> dict[str, str]:
        shown = {name: self.sql("postgres", f"show {name}") for name in SHOWN}
        return {"version": self.sql("postgres", "show server_version"), **shown}

    def make_segments(self) -> None:
        """Segments of the WAL to use again: to make one takes tens of milliseconds, in which nobody can commit."""
        fill = "perform pg_logical_emit_message(true, '', ''); perform pg_switch_wal();"
        self.sql("postgres", f"do $$ begin for i in 1..200 loop {fill} end loop; end $$")
        # The first finds them used, the second free.
        self.checkpoint()
        self.checkpoint()

    def checkpoint(self) -> None:
        """Segments of the WAL that are no longer needed are free again."""
        self.sql("postgres", "checkpoint")

    @contextmanager
    def changed(self, **settings: str | int) -> Iterator[None]:
        """Other settings for all sessions, while this lasts."""
        names = list(settings)
        self.sql("postgres", *(f"alter system set {name} = {settings[name]}" for name in names))
        self._reload()
        try:
            yield
        finally:
            self.sql("postgres", *(f"alter system reset {name}" for name in names))
            self._reload()

    def _reload(self) -> None:
        # Sessions notice the signal when they wait for their next statement.
        self.sql("postgres", "select pg_reload_conf()", "select pg_sleep(0.3)")


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    programs = find_programs()
    if programs is None:
        raise SystemExit("there is no PostgreSQL with initdb, pgbench and psql")
    parent = Path(os.environ.get("BENCH_DIR", "/var/tmp"))
    kind = run(["stat", "-f", "-c", "%T", parent]).strip()
    if kind in ("tmpfs", "ramfs"):
        raise SystemExit(
            f"{parent} is in memory ({kind}); BENCH_DIR must name a directory on a disk"
        )
    with tempfile.TemporaryDirectory(prefix="onrecord-bench-", dir=parent) as name:
        directory = Path(name)
        data, port = directory / "data", free_port()
        account = _account(directory)
        run(
            [
                *account,
                programs / "initdb",
                "-D",
                data,
                "-U",
                USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            cwd="/",
        )
        own = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        with (data / "postgresql.conf").open("a") as configuration:
            for setting, value in {**SETTINGS, **own}.items():
                configuration.write(f"{setting} = '{value}'\n")
        log = LOGS / "postgres.log"
        with running([*account, programs / "postgres", "-D", data], log) as process:
            cluster = Cluster(programs, directory, port)
            try:
                wait_until(lambda: _answers(cluster), process, log)
                cluster.make_segments()
                yield cluster
            finally:
                # Fast: sessions that are still there are ended.
                stop(process, by=signal.SIGINT)


def find_programs() -> Path | None:
    """The newest PostgreSQL on this machine."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: int(it.parent.name)
    )
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    for place in [*places, *reversed(installed)]:
        if all((place / program).exists() for program in ("initdb", "postgres", "pgbench", "psql")):
            return place
    return None


def without_database() -> dict[str, str]:
    """The environment without anything that names a database."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PG") and name != "DATABASE_URL"
    }


def _account(directory: Path) -> list[str]:
    """Who runs the server: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam("postgres")
    os.chown(directory, account.pw_uid, account.pw_gid)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def _answers(cluster: Cluster) -> bool:
    command = [str(cluster.programs / "pg_isready"), "-q", "-d", "postgres"]
    return subprocess.run(command, env=cluster.environment()).returncode == 0
