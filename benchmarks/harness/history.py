"""A record with a long history against a short one, and against none."""

import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import record
from .cluster import Cluster
from .contestants import Contestant, ours
from .flower import Client
from .load import closed_loop
from .progress import say, step

LONG = 10_000_000
SHORT = 100_000
ROUNDS = 7
_CONNECTIONS = 64
_CURSORS = 500
# Rows are this far apart, and the last is a day old.
_STEP = timedelta(milliseconds=10)
_LAST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
_CHUNK = 1_000_000

# As the service would have written them: the id is a UUIDv7 with the milliseconds of the timestamp.
ROWS_OF_HISTORY = """
with batch as materialized (
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
            || '7000'
            || to_hex(32768 + (random() * 16383)::int)
            || lpad(to_hex((random() * 281474976710655)::bigint), 12, '0'))::uuid as id,
           at, 2 + 2 * random() as a, 4 + 4 * random() as b, 2 * random() as c, 1 + 5 * random() as d,
           (number % 3)::int as class, random() / 3 as p
    from generate_series({first}, {last}) as number,
         lateral (
             select timestamptz '{start}' + number * interval '{step} milliseconds' as at
         ) as clock
), input as (
    insert into raw_data (id, "timestamp", sepal_width, sepal_length, petal_width, petal_length)
    select id, at, a, b, c, d from batch
)
insert into prediction (id, "timestamp", iris_class, probabilities, model_version)
select id, at, class,
       case class
           when 0 then array[1 - p, p, 0]
           when 1 then array[0, 1 - p, p]
           else array[p, 0, 1 - p]
       end,
       '1.0.0+9b3f1c56'
from batch"""


@dataclass(frozen=True)
class History:
    """A service on a record of so many rows."""

    rows: int
    service: Contestant

    @property
    def start(self) -> datetime:
        return _LAST - self.rows * _STEP


def history(cluster: Cluster, seconds: int) -> dict[str, Any]:
    """Latency of pages and throughput, in turn on a long and a short record, or none."""
    with (
        _history(cluster, LONG) as long,
        _history(cluster, SHORT) as short,
        _history(cluster, 0) as none,
    ):
        with tempfile.TemporaryDirectory() as name:
            scripts = {one.rows: _deep_script(one, Path(name)) for one in (long, short)}
            first = _script(Path(name) / "first.lua", ["/predictions"])
            rounds = []
            for number in range(ROUNDS):
                pages = {
                    f"{kind}_{one.rows}": closed_loop(one.service.url, script, 1, 1).p50
                    for kind in ("first", "deep")
                    for one in (long, short)
                    for script in [first if kind == "first" else scripts[one.rows]]
                }
                throughput = {
                    f"predict_{one.rows}": _throughput(cluster, one, seconds)
                    for one in (long, none)
                }
                rounds.append({**pages, **throughput})
                say(
                    f"history, round {number + 1}: "
                    + ", ".join(f"{key} {value:,.3f}" for key, value in rounds[-1].items())
                )
    return {"rounds": rounds}


@contextmanager
def _history(cluster: Cluster, rows: int) -> Iterator[History]:
    database = f"history_{rows}"
    with ours(cluster, database, database) as service:
        one = History(rows, service)
        if rows:
            with step(f"a record of {rows:,} rows"):
                _fill(cluster, database, one)
        yield one


def _fill(cluster: Cluster, database: str, one: History) -> None:
    for first in range(0, one.rows, _CHUNK):
        last = min(first + _CHUNK, one.rows) - 1
        step = _STEP / timedelta(milliseconds=1)
        cluster.sql(
            database, ROWS_OF_HISTORY.format(first=first, last=last, start=one.start.isoformat(), step=step)
        )
    cluster.sql(database, "vacuum analyze raw_data", "vacuum analyze prediction", "checkpoint")
    if record.count(cluster, database) != (one.rows, one.rows):
        raise record.Mismatch(f"the history has {record.count(cluster, database)} rows")


def _deep_script(one: History, directory: Path) -> Path:
    """Pages that begin anywhere in the older nine tenths, by cursors that the service gives."""
    chance = random.Random(1)
    paths = []
    with Client(one.service.url) as client:
        for _ in range(_CURSORS):
            until = one.start + one.rows * _STEP * (0.01 + 0.89 * chance.random())
            query = f"to={until.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}&limit=1"
            page = json.loads(client.get(f"/predictions?{query}"))
            paths.append(f"/predictions?cursor={page['next_cursor']}")
    return _script(directory / f"deep_{one.rows}.lua", paths)


def _script(file: Path, paths: list[str]) -> Path:
    """Asks for these in turn."""
    listed = ",".join(f'"{path}"' for path in paths)
    file.write_text(
        f"local paths = {{{listed}}}\nlocal next = 0\n"
        "request = function()\n  next = next % #paths + 1\n  return wrk.format('GET', paths[next])\nend\n"
    )
    return file


def _throughput(cluster: Cluster, one: History, seconds: int) -> float:
    """Requests per second on top of what is there; what is new is counted."""
    service, database = one.service, str(one.service.database)
    newer = f"from {{}} where id >= '{_floor()}'"
    if one.rows == 0:
        service.prepare(cluster)
    before = _new_rows(cluster, database, newer)
    load = service.load(_CONNECTIONS, seconds)
    added = _new_rows(cluster, database, newer) - before
    if not load.ok <= added <= load.ok + _CONNECTIONS:
        raise record.Mismatch(f"history: {load.ok} were answered, {added} recorded")
    return load.per_second


def _new_rows(cluster: Cluster, database: str, newer: str) -> int:
    """The rows that are younger than the history, once they are all there."""
    time.sleep(0.3)
    counts = {
        int(cluster.sql(database, "select count(*) " + newer.format(table)))
        for table in record.TABLES
    }
    if len(counts) != 1:
        raise record.Mismatch(f"history: the tables have {counts} new rows")
    return counts.pop()


def _floor() -> str:
    """The smallest id of a row that is not history."""
    milliseconds = int((_LAST + timedelta(hours=1)).timestamp() * 1000)
    text = f"{milliseconds:012x}" + "0" * 20
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
