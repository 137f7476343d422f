"""What partitions cost and what they are for: `partitions.py`, or `just bench-partitions`.

- `cost`: the same 10 million rows of thirty days in one partition and in thirty: predictions and lookups by id, in turn.
- `drops`: a partition of 5 million rows leaves under load: the slowest hundredth of the predictions of each minute, until all of it
  is removed from the disk.
"""

import argparse
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.cluster import Cluster, running_cluster, without_database  # noqa: E402
from harness.contestants import Contestant, migrate, service  # noqa: E402
from harness.flower import body  # noqa: E402
from harness.history import ROWS_OF_HISTORY  # noqa: E402
from harness.install import install  # noqa: E402
from harness.load import Load, closed_loop, open_loop  # noqa: E402
from harness.places import LOGS, PREDICT_LUA, PROGRAMS  # noqa: E402
from harness.progress import say, step  # noqa: E402

ROWS = 10_000_000
DAYS = 30
ROUNDS = 21
SECONDS = 3
CONNECTIONS = 64
LOOKUPS = 20_000
LOOKING_UP = {"lookups/s": CONNECTIONS, "lookups/s, one at a time": 1}
DROPPED = 5_000_000
DROPS = 1
# An open loop far below the peak: latency counts from when a request is due, so all that wait see a stall.
RATE_WHILE_DROPPING = 5_000
SECONDS_WHILE_DROPPING = 60
_CHUNK = 1_000_000
TABLES = ("raw_data", "prediction", "truth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("half", nargs="?", choices=HALVES, help="only this one")
    half = parser.parse_args().half
    asked = [half] if half else list(HALVES)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    LOGS.mkdir(parents=True, exist_ok=True)
    install()
    with running_cluster() as cluster:
        for name in asked:
            HALVES[name](cluster)


def cost(cluster: Cluster) -> None:
    with _record(cluster, "one", 1) as one, _record(cluster, "thirty", DAYS) as thirty:
        with tempfile.TemporaryDirectory() as name:
            scripts = {it.name: _lookups(cluster, it, Path(name)) for it in (one, thirty)}
            figures: dict[str, dict[str, list[float]]] = {
                what: {"one": [], "thirty": []} for what in ("predictions/s", *LOOKING_UP)
            }
            for number in range(ROUNDS):
                # The order changes, so that nobody is always the first.
                for it in (one, thirty) if number % 2 else (thirty, one):
                    cluster.checkpoint()
                    load = closed_loop(f"{it.url}/predict", PREDICT_LUA, CONNECTIONS, SECONDS)
                    figures["predictions/s"][it.name].append(load.per_second)
                    for what, connections in LOOKING_UP.items():
                        load = closed_loop(it.url, scripts[it.name], connections, SECONDS)
                        assert load.refused == 0
                        figures[what][it.name].append(load.per_second)
    for what, of in figures.items():
        ratios = [mine / theirs for mine, theirs in zip(of["one"], of["thirty"], strict=True)]
        say(
            f"{what}: one partition {statistics.median(of['one']):,.0f}, "
            f"thirty {statistics.median(of['thirty']):,.0f}; "
            f"cost {statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


@contextmanager
def _record(cluster: Cluster, name: str, parts: int) -> Iterator[Contestant]:
    """A service on so many rows, evenly over the last days, in so many partitions; and one for today, if there are several."""
    url = migrate(cluster, name)
    start = _today() - timedelta(days=DAYS)
    if parts > 1:
        for table in TABLES:
            _unpart(cluster, name, table)
            for day in range(DAYS + 1):
                _part(cluster, name, table, start + timedelta(days=day), timedelta(days=1))
    with step(f"{ROWS:,} rows in {name}"):
        _fill(cluster, name, ROWS, start, timedelta(days=DAYS) / ROWS)
    with service(PROGRAMS / "onrecord", url, name, name, name) as contestant:
        yield contestant
    cluster.sql("postgres", f"drop database {name} with (force)")


def _today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _unpart(cluster: Cluster, database: str, table: str) -> None:
    """Drops what the service made: a partition for all time until some days from now."""
    listed = f"""select inhrelid::regclass from pg_inherits
                 where inhparent = '{table}'::regclass and inhrelid <> '{table}_default'::regclass"""
    for part in cluster.sql(database, listed).split():
        cluster.sql(database, f"drop table {part}")


def _part(cluster: Cluster, database: str, table: str, start: datetime, width: timedelta) -> None:
    bounds = f"for values from ('{_id(start)}') to ('{_id(start + width)}')"
    cluster.sql(database, f"create table {table}_{start:%Y%m%d} partition of {table} {bounds}")


def _id(time: datetime) -> str:
    text = f"{int(time.timestamp() * 1000):012x}" + "0" * 20
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _fill(cluster: Cluster, database: str, rows: int, start: datetime, each: timedelta) -> None:
    milliseconds = each / timedelta(milliseconds=1)
    for first in range(0, rows, _CHUNK):
        last = min(first + _CHUNK, rows) - 1
        cluster.sql(
            database,
            ROWS_OF_HISTORY.format(first=first, last=last, start=start.isoformat(), step=milliseconds),
        )
    cluster.sql(database, "vacuum analyze raw_data", "vacuum analyze prediction", "checkpoint")


def _lookups(cluster: Cluster, it: Contestant, directory: Path) -> Path:
    """Asks for records from all of the time, in turn: as many, and as far apart, however the record is cut."""
    numbered = "select id, row_number() over (order by id) as number from prediction"
    every = f"select id from ({numbered}) as numbered where number % {ROWS // LOOKUPS} = 0"
    ids = cluster.sql(it.name, every).split()
    assert len(ids) == LOOKUPS
    random.Random(1).shuffle(ids)
    listed = ",".join(f'"{one}"' for one in ids)
    file = directory / f"{it.name}.lua"
    file.write_text(
        f"local ids = {{{listed}}}\nlocal next = 0\n"
        "request = function()\n  next = next % #ids + 1\n"
        "  return wrk.format('GET', '/predictions/' .. ids[next])\nend\n"
    )
    return file


def drops(cluster: Cluster) -> None:
    name = "drops"
    url = migrate(cluster, name)
    now = _today()
    for table in TABLES:
        _unpart(cluster, name, table)
        for number in range(DROPS):
            _part(cluster, name, table, now - timedelta(days=100 - 10 * number), timedelta(days=1))
        _part(cluster, name, table, now, timedelta(days=30))
    for number in range(DROPS):
        with step(f"{DROPPED:,} rows to be dropped"):
            start = now - timedelta(days=100 - 10 * number)
            _fill(cluster, name, DROPPED, start, timedelta(days=1) / DROPPED)
    with service(PROGRAMS / "onrecord", url, name, name, name) as contestant:
        for number in range(DROPS):
            quiet = [_load(contestant).p99 for _ in range(2)]
            days = 100 - 10 * number - 5
            upkeep = threading.Thread(target=_upkeep, args=(url, days))
            upkeep.start()
            dropping = []
            while upkeep.is_alive():
                dropping.append(_load(contestant).p99)
            left = cluster.sql(name, "select count(*) from pg_inherits where inhparent = 'prediction'::regclass")
            ratios = [one / statistics.mean(quiet) for one in dropping]
            say(
                f"drop {number + 1}: p99 of each minute {_list(dropping)} ms, quiet {_list(quiet)}, "
                f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); {left} partitions left"
            )


def _list(times: list[float]) -> str:
    return ", ".join(f"{time:.2f}" for time in times)


def _load(contestant: Contestant) -> Load:
    url = f"{contestant.url}/predict"
    return open_loop(url, body(), CONNECTIONS, SECONDS_WHILE_DROPPING, RATE_WHILE_DROPPING)


def _upkeep(url: str, days: int) -> None:
    """Whoever keeps the record up takes out what is older than this, and removes it."""
    environment = {**without_database(), "DATABASE_URL": url, "RETAIN_DAYS": str(days)}
    started = time.monotonic()
    done = subprocess.run(
        [PROGRAMS / "onrecord", "upkeep"], env=environment, check=True, capture_output=True, text=True
    )
    left = (done.stdout + done.stderr).count("left the record")
    say(f"  {left} left the record and removed, in {time.monotonic() - started:.0f} s all in all")


HALVES = {"cost": cost, "drops": drops}

if __name__ == "__main__":
    main()
