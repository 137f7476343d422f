"""Rounds: in each every contestant once, in turn, so that ratios are taken between neighbors in time."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from . import wal
from .batches import Batches
from .cluster import Cluster
from .contestants import OURS, Contestant
from .flower import body
from .load import Load, open_loop, peak
from .places import ENVIRONMENTS, LOGS, PROGRAMS, ROOT
from .probe import Probe, probe, steady
from .processes import errors_into, run
from .progress import say
from .spread import mean

# The leader of a group of commits waits so long before it flushes, in microseconds: a disk that is slow, always alike.
COMMIT_DELAY = 3_500
SLOW_CONNECTIONS = 64
OPEN_CONNECTIONS = 64
# For each figure of another runtime.
_SECONDS_EACH = 0.2

Round = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    most_rounds: int
    levels: Sequence[int]
    seconds: int
    inference: bool = True


class Rounds:
    """The cells of a round."""

    def __init__(self, cluster: Cluster, contestants: Mapping[str, Contestant], plan: Plan) -> None:
        self._cluster = cluster
        self._contestants = contestants
        self._ours = contestants[OURS]
        self._plan = plan
        self._batches = Batches(cluster, self._ours)
        self._probes: list[Probe] = []

    def warm_up(self) -> None:
        """Connections, pools and caches as they are after a while."""
        for contestant in self._contestants.values():
            contestant.throughput(self._cluster, max(self._plan.levels), 1)
        # Then nobody's flushes are counted as those of the first round.
        time.sleep(wal.IDLE_REPORTED_AFTER)
        say("everyone is warm")

    def run(self) -> list[Round]:
        """Rounds until enough are valid; the others are there too, and marked."""
        rounds: list[Round] = []
        while sum(one["valid"] for one in rounds) < self._plan.rounds:
            if len(rounds) == self._plan.most_rounds:
                say(f"giving up after {len(rounds)} rounds")
                break
            say(f"round {len(rounds) + 1}")
            # A round needs a gigabyte of the WAL; without this, the later ones would pay for new segments.
            self._cluster.checkpoint()
            self._probes = []
            self._probe()
            cells = self._cells()
            valid = steady(self._probes)
            probes = [asdict(one) for one in self._probes]
            rounds.append({"valid": valid, "probes": probes, **cells})
            flushes = " → ".join(f"{one.flush:.3f}" for one in self._probes)
            spins = " → ".join(f"{one.spin:.1f}" for one in self._probes)
            say(f"flush {flushes} ms, spin {spins} ms: {'valid' if valid else 'DROPPED'}")
        return rounds

    def _probe(self) -> None:
        self._probes.append(probe(self._cluster.directory))

    def _cells(self) -> Round:
        cells: Round = {"throughput": {}}
        for connections in self._plan.levels:
            first = connections == self._plan.levels[0]
            measured, syncs = self._throughput(connections, count_syncs=first)
            cells["throughput"][str(connections)] = measured
            cells |= {"wal": syncs} if syncs else {}
            self._probe()
        cells["latency"] = self._latency()
        cells["slow_disk"] = self._slow_disk(mean(cells["latency"]["pgbench"]))
        self._probe()
        cells["open_loop"] = self._open_loop()
        self._probe()
        cells["batch"] = self._batch()
        cells["forward"] = forward()
        if self._plan.inference:
            cells["inference"] = inference()
        self._probe()
        return cells

    def _throughput(
        self, connections: int, count_syncs: bool
    ) -> tuple[dict[str, list[float]], dict[str, float]]:
        """Requests per second of everyone, ours first and last."""
        others = [it for it in self._contestants.values() if it is not self._ours]
        measured: dict[str, list[float]] = {}
        syncs: dict[str, float] = {}
        for contestant in [self._ours, *others, self._ours]:
            if count_syncs and contestant is self._ours and not syncs:
                load, syncs = self._counted(connections)
            else:
                load = contestant.throughput(self._cluster, connections, self._plan.seconds)
            measured.setdefault(contestant.name, []).append(load.per_second)
            say(f"  {contestant.title}, {connections} connections: {load.per_second:,.0f}/s")
        return measured, syncs

    def _counted(self, connections: int) -> tuple[Load, dict[str, float]]:
        """Ours, with the flushes and commits it took."""
        load, change = self._with_counters(
            lambda: self._ours.throughput(self._cluster, connections, self._plan.seconds)
        )
        syncs = change.syncs / load.ok * 1000
        say(
            f"  {syncs:.1f} WAL syncs per 1,000 requests, {load.ok / change.commits:.0f} rows per commit"
        )
        return load, {"syncs_per_1000": syncs, "rows_per_commit": load.ok / change.commits}

    def _with_counters(self, measure: Callable[[], Load]) -> tuple[Load, wal.Counters]:
        database, url = str(self._ours.database), self._ours.url
        before = wal.counters(self._cluster, database, url)
        load = measure()
        return load, wal.counters(self._cluster, database, url).since(before)

    def _latency(self) -> dict[str, list[float]]:
        """The median latency with one connection, in milliseconds."""
        measured: dict[str, list[float]] = {}
        for name in (OURS, "constant", "pgbench", OURS):
            load = self._contestants[name].throughput(self._cluster, 1, self._plan.seconds)
            measured.setdefault(name, []).append(load.p50)
        pairs = ", ".join(f"{name} {times[0]:.3f}" for name, times in measured.items())
        say(f"  p50 with 1 connection, ms: {pairs}")
        return measured

    def _slow_disk(self, quick_commit: float) -> dict[str, float]:
        """Throughput when every flush takes milliseconds, and what a flush took.

        The machine sleeps longer than it is told to; how long, one client of pgbench finds out, whose commit took
        `quick_commit` milliseconds without the delay.
        """
        with self._cluster.changed(
            commit_delay=COMMIT_DELAY, commit_siblings=0, track_wal_io_timing="on"
        ):
            # The service learns how slow the disk is.
            self._ours.throughput(self._cluster, SLOW_CONNECTIONS, 1)
            load, change = self._with_counters(
                lambda: self._ours.throughput(self._cluster, SLOW_CONNECTIONS, self._plan.seconds)
            )
            slow_commit = self._contestants["pgbench"].throughput(self._cluster, 1, 2).p50
        flush = slow_commit - quick_commit + change.sync_milliseconds / change.syncs
        say(f"  slow disk: {load.per_second:,.0f}/s, a flush takes {flush:.2f} ms")
        return {"per_second": load.per_second, "flush_ms": flush}

    def _open_loop(self) -> dict[str, Any]:
        """Latencies at half of our peak: ours, and the constant route's, which are the machine's and the generator's own.

        The peak is that of the same generator with as many connections: it shares the cores, and takes more of them
        than wrk does.
        """
        self._ours.prepare(self._cluster)
        most = peak(f"{self._ours.url}/predict", body(), OPEN_CONNECTIONS, self._plan.seconds)
        self._ours.check(self._cluster, most, OPEN_CONNECTIONS)
        rate = round(most.per_second / 2)
        say(f"  peak of oha, {OPEN_CONNECTIONS} connections: {most.per_second:,.0f}/s")
        latencies = {}
        for name in (OURS, "constant"):
            contestant = self._contestants[name]
            contestant.prepare(self._cluster)
            url = f"{contestant.url}/predict"
            load = open_loop(url, body(), OPEN_CONNECTIONS, self._plan.seconds + 2, rate)
            contestant.check(self._cluster, load, OPEN_CONNECTIONS)
            say(
                f"  open loop at {rate:,}/s, {name}: {load.per_second:,.0f}/s answered, "
                f"p50 {load.p50:.2f} ms, p99 {load.p99:.2f} ms"
            )
            latencies[name] = {"p50": load.p50, "p99": load.p99}
        return {"rate": rate, **latencies}

    def _batch(self) -> dict[str, list[float]]:
        measured: dict[str, list[float]] = {
            OURS: [self._batches.predict()],
            "copy": [self._batches.copy()],
        }
        measured[OURS].append(self._batches.predict())
        pairs = ", ".join(f"{name} {rates[0]:,.0f}" for name, rates in measured.items())
        say(f"  batches of 10,000, rows/s: {pairs}")
        return measured


def forward() -> dict[str, Any]:
    """Nanoseconds per row of the library's calls."""
    times: dict[str, Any] = json.loads(run([PROGRAMS / "forward"]))
    batches = ", ".join(f"{rows}: {time:.0f}" for rows, time in times["batch"].items())
    say(
        f"  one row: {times['one_row']:.0f} ns, by hand {times['hand_written']:.0f}, "
        f"plain candle {times['plain_candle']:,.0f}; per row in batches of {batches}"
    )
    return times


def inference() -> dict[str, Any]:
    """Nanoseconds per row of other runtimes."""
    from peers import services

    with errors_into(LOGS / "inference.log"):
        times: dict[str, Any] = services.inference(ENVIRONMENTS, ROOT, _SECONDS_EACH)
    for name, sizes in times.items():
        say(
            f"  {name}, ns per row: "
            + ", ".join(f"{rows}: {time:,.0f}" for rows, time in sizes.items())
        )
    return times
