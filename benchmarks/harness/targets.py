"""The lines that are to be reached, each computed from what was measured."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .contestants import EARLIER, GUARDED, OURS
from .history import LONG, SHORT
from .rounds import SLOW_CONNECTIONS
from .spread import Spread, mean, spread

Results = Mapping[str, Any]
Values = Iterable[float]


@dataclass(frozen=True)
class Line:
    """One line: what is compared with what, where it should be, and where it is."""

    what: str
    against: str
    at_most: bool
    bound: float
    unit: str
    measured: Spread | None
    remark: str = ""

    @property
    def reached(self) -> bool | None:
        """Judged by the median; `None` if nothing was measured."""
        if self.measured is None:
            return None
        median = self.measured.median
        return median <= self.bound if self.at_most else median >= self.bound


def lines(results: Results) -> list[Line]:
    """All of them, in order."""
    rounds = [one for one in results["rounds"] if one["valid"]]
    return [
        *_throughput(rounds),
        *_earlier(rounds, results.get("before")),
        *_database(rounds),
        *_latency(rounds),
        *_inference(rounds),
        *_memory(results.get("memory")),
        *_history(results.get("history")),
        Line(
            "release binary, start to ready with a reachable database",
            "",
            True,
            150,
            "ms",
            _measured(results.get("startup") or []),
        ),
    ]


def _measured(values: Values) -> Spread | None:
    listed = list(values)
    return spread(listed) if listed else None


def _each(rounds: list[Any], value: Callable[[Any], float]) -> Spread | None:
    """The value of each round; `None` where a cell was left out."""
    try:
        return _measured([value(one) for one in rounds])
    except KeyError:
        return None


def _throughput(rounds: list[Any]) -> list[Line]:
    peers = [
        ("pgbench", "`pgbench -M prepared`, one statement, as many clients", 3),
        ("pgbench_two", "`pgbench -M prepared`, two INSERTs in a transaction", 8),
        ("naive", "naive variant: pool, BEGIN, two INSERTs, COMMIT", 8),
        ("constant", "the same route answering a constant", 0.65),
        ("tutorial", "the tutorial's service", 200),
        ("tuned", "the tuned Python service", 25),
        ("mlserver", "MLServer, without a record", 40),
    ]
    return [_best_level(rounds, name, against, bound) for name, against, bound in peers]


def _earlier(rounds: list[Any], commit: str | None) -> list[Line]:
    if commit is None:
        return []
    against = f"this service as of `{commit}`"
    return [
        _best_level(rounds, EARLIER, against, 0.9),
        _best_level(rounds, EARLIER, against, 0.9, GUARDED),
    ]


def _best_level(
    rounds: list[Any], name: str, against: str, bound: float, mine: str = OURS
) -> Line:
    """The ratio at the number of connections at which it is best, with that number."""
    levels = list(rounds[0]["throughput"]) if rounds else []
    ratios = {
        level: _each(rounds, lambda one: _ratio(one["throughput"][level], mine, name))  # noqa: B023
        for level in levels
    }
    known = {level: ratio for level, ratio in ratios.items() if ratio is not None}
    what = "`POST /predict`, " + " and ".join(levels) + " connections"
    what += ", with API keys" if mine == GUARDED else ""
    if not known:
        return Line(what, against, False, bound, "×", None)
    best = max(known, key=lambda level: known[level].median)
    others = "; ".join(
        f"at {level}: {known[level].median:.3g} ×" for level in known if level != best
    )
    remark = f"at {best}; {others}" if others else ""
    return Line(what, against, False, bound, "×", known[best], remark)


def _ratio(rates: Mapping[str, list[float]], mine: str, name: str) -> float:
    theirs = mean(rates[name])
    # A service may hang for the whole of a cell.
    return mean(rates[mine]) / theirs if theirs else math.inf


def _database(rounds: list[Any]) -> list[Line]:
    return [
        Line(
            "WAL syncs per 1,000 requests, 64 connections",
            "",
            True,
            25,
            "",
            _each(rounds, lambda one: one["wal"]["syncs_per_1000"]),
        ),
        Line(
            "slow disk (`commit_delay=3500`), 64 connections",
            "clients divided by flush time",
            False,
            0.85,
            "×",
            _each(rounds, _share_of_flushes),
        ),
        Line(
            "`POST /predict/batch` of 10,000, rows/s",
            "binary `COPY` of the same rows by `psql`",
            False,
            0.6,
            "×",
            _each(rounds, lambda one: mean(one["batch"][OURS]) / mean(one["batch"]["copy"])),
        ),
    ]


def _share_of_flushes(one: Any) -> float:
    cell = one["slow_disk"]
    limit = SLOW_CONNECTIONS / (cell["flush_ms"] / 1000)
    return float(cell["per_second"] / limit)


def _latency(rounds: list[Any]) -> list[Line]:
    return [
        Line(
            "p50, 1 connection",
            "p50 of `pgbench`, 1 client, plus p50 of the constant route",
            True,
            1.2,
            "×",
            _each(
                rounds,
                lambda one: (
                    mean(one["latency"][OURS])
                    / (mean(one["latency"]["pgbench"]) + mean(one["latency"]["constant"]))
                ),
            ),
        ),
        Line(
            "p99, 64 connections, open loop at half of the peak",
            "p50 of the same run",
            True,
            4,
            "×",
            _each(rounds, lambda one: _tail(one, OURS)),
            _constant_tail(rounds),
        ),
    ]


def _tail(one: Any, name: str) -> float:
    latencies = one["open_loop"][name]
    return float(latencies["p99"] / latencies["p50"])


def _constant_tail(rounds: list[Any]) -> str:
    """What of it is not ours: the same for a route without model and database."""
    tail = _each(rounds, lambda one: _tail(one, "constant"))
    return "" if tail is None else f"the constant route at the same rate: {tail.median:.3g} ×"


def _inference(rounds: list[Any]) -> list[Line]:
    one_row = "one forward pass, one row, default settings"
    lines = [
        Line(
            one_row,
            "the same in a hand-written loop",
            True,
            10,
            "×",
            _each(rounds, lambda one: one["forward"]["one_row"] / one["forward"]["hand_written"]),
        ),
        Line(one_row, "", True, 1000, "ns", _each(rounds, lambda one: one["forward"]["one_row"])),
    ]
    for size in ("256", "1024", "10000"):

        def ratio(one: Any, size: str = size) -> float:
            return float(one["forward"]["batch"][size] / one["inference"]["onnxruntime"][size])

        what = f"batch of {int(size):,}, per row"
        lines.append(Line(what, "onnxruntime, one thread", True, 1, "×", _each(rounds, ratio)))
    return lines


def _memory(memory: Any) -> list[Line]:
    what = "resident memory after 2 million predictions"
    if not memory:
        return [
            Line(what, "after 10 thousand", True, 1.1, "×", None),
            Line(what, "", True, 60, "MB", None),
        ]
    growth, late, done = (
        memory["late_mb"] / memory["early_mb"],
        memory["late_mb"],
        memory["predictions"],
    )
    whole = done >= 2_000_000

    def line(against: str, bound: float, unit: str, value: float) -> Line:
        remark = "" if whole else f"{value:.3g} {unit} after {done:,}"
        return Line(what, against, True, bound, unit, spread([value]) if whole else None, remark)

    return [line("after 10 thousand", 1.1, "×", growth), line("", 60, "MB", late)]


def _history(history: Any) -> list[Line]:
    rounds = history["rounds"] if history else []

    def pages(kind: str) -> Spread | None:
        return _each(rounds, lambda one: one[f"{kind}_{LONG}"] / one[f"{kind}_{SHORT}"])

    return [
        Line(
            "`GET /predictions`, first page, 10 million rows",
            "100 thousand rows",
            True,
            1.5,
            "×",
            pages("first"),
        ),
        Line(
            "`GET /predictions`, deep page, 10 million rows",
            "100 thousand rows",
            True,
            1.5,
            "×",
            pages("deep"),
        ),
        Line(
            "`POST /predict` throughput, 10 million rows",
            "empty record",
            False,
            0.85,
            "×",
            _each(rounds, lambda one: one[f"predict_{LONG}"] / one["predict_0"]),
        ),
    ]
