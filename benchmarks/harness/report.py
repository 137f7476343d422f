"""The report, written from the results alone."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .contestants import OURS
from .places import NOTES
from .spread import Spread, mean, spread
from .targets import Line, lines

Results = Mapping[str, Any]


def report(results: Results, chart: str) -> str:
    """BENCHMARKS.md; `chart` is the path of the picture as seen from there."""
    notes = NOTES.read_text().strip() if NOTES.exists() else ""
    parts = [
        "# Benchmarks",
        "<!-- Written by `just bench`; by hand only the section that comes from benchmarks/notes.md. -->",
        _headline(results),
        f"![Requests per second of every contestant]({chart})",
        "## The lines to reach",
        _targets(lines(results)),
        "## The figures behind them",
        *_figures(results),
        *([notes] if notes else []),
        "## How it was measured",
        *_method(results),
    ]
    return "\n\n".join(parts) + "\n"


def summary(results: Results) -> str:
    """The lines for a terminal."""
    rows = [
        (_verdict(line), _value(line), _target(line), line.what, line.against)
        for line in lines(results)
    ]
    return "\n".join(
        f"{verdict.strip('*'):12} {value:>28}  {target:16} {what}{' / ' if against else ''}{against}"
        for verdict, value, target, what, against in rows
    )


def valid_rounds(results: Results) -> list[Any]:
    return [one for one in results["rounds"] if one["valid"]]


def best_rates(results: Results) -> dict[str, Spread]:
    """Requests per second of each contestant, at the number of connections at which its median is highest."""
    rounds = valid_rounds(results)
    return {
        name: max(
            (_rate(rounds, level, name) for level in _levels(rounds)), key=lambda rate: rate.median
        )
        for name in rounds[0]["throughput"][_levels(rounds)[0]]
    }


def _levels(rounds: Sequence[Any]) -> list[str]:
    return list(rounds[0]["throughput"])


def _rate(rounds: Sequence[Any], level: str, name: str) -> Spread:
    return spread(mean(one["throughput"][level][name]) for one in rounds)


def _headline(results: Results) -> str:
    rates, found = best_rates(results), lines(results)
    measured = [line for line in found if line.reached is not None]
    reached = sum(bool(line.reached) for line in measured)

    def times(name: str) -> str:
        ratio = next(
            line for line in found if line.what.startswith("`POST /predict`,") and _is(line, name)
        )
        return f"{_digits(ratio.measured.median)} times" if ratio.measured else ""

    compared = [
        (times("tutorial"), "the tutorial's Python service"),
        (times("tuned"), "a tuned one"),
        (times("naive"), "the same service with one transaction per request"),
        (times("pgbench`"), "what `pgbench` commits one by one"),
    ]
    said = ", ".join(f"{ratio} {what}" for ratio, what in compared if ratio)
    missed = [line for line in measured if not line.reached]
    rest = f" Not reached: {'; '.join(_name(line) for line in missed)}." if missed else ""
    absent = len(found) - len(measured)
    return (
        f"**{_round(rates[OURS].median)} predictions per second, each committed and flushed before it is answered,** on "
        f"{results['machine']['cores'].split(',')[0]} cores that PostgreSQL and the load generator share: {said}. "
        f"{reached} of {len(measured)} lines are reached.{rest}"
        + (f" {absent} lines were not measured in this run." if absent else "")
        + _shortage(results)
    )


def _name(line: Line) -> str:
    return f"{line.what} ({line.against})" if line.against else line.what


def _shortage(results: Results) -> str:
    wanted, found = results["plan"]["rounds"], len(valid_rounds(results))
    return (
        f" **Only {found} of {wanted} rounds were valid: run it again on a quieter machine.**"
        if found < wanted
        else ""
    )


def _is(line: Line, name: str) -> bool:
    words = {
        "tutorial": "tutorial",
        "tuned": "tuned",
        "naive": "naive",
        "pgbench`": "one statement",
    }
    return words[name] in line.against


def _round(rate: float) -> str:
    """Two digits: more are noise."""
    step = 10 ** max(0, len(str(int(rate))) - 2)
    return f"{round(rate / step) * step:,.0f}"


def _targets(found: Iterable[Line]) -> str:
    return _table(
        ("what", "against", "target", "measured (smallest to largest)", ""),
        (
            (line.what, line.against, _target(line), _value(line) + _remark(line), _verdict(line))
            for line in found
        ),
    )


def _target(line: Line) -> str:
    return f"at {'most' if line.at_most else 'least'} {_digits(line.bound)} {line.unit}".strip()


def _value(line: Line) -> str:
    if line.measured is None:
        return "–"
    measured = line.measured
    one, low, high = (_digits(value) for value in (measured.median, measured.low, measured.high))
    values = one if low == high else f"{one} ({low} to {high})"
    return f"{values} {line.unit}".strip()


def _digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if math.isinf(value):
        return "∞"
    for bound, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= bound:
            text = f"{value:,.{digits}f}"
            break
    else:
        text = f"{value:.3f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _remark(line: Line) -> str:
    return f", {line.remark}" if line.remark else ""


def _verdict(line: Line) -> str:
    if line.reached is None:
        return "not measured"
    return "reached" if line.reached else "**not reached**"


def _figures(results: Results) -> list[str]:
    rounds = valid_rounds(results)
    levels = _levels(rounds)
    titles = {name: contestant["title"] for name, contestant in results["contestants"].items()}
    names = sorted(titles, key=lambda name: -best_rates(results)[name].median)
    limited = [
        f"{titles[name]}: at most {most} connections, with more it blocks itself."
        for name in names
        if (most := results["contestants"][name].get("most_connections"))
    ]
    throughput = _table(
        ("requests per second", *(f"{level} connections" for level in levels)),
        (
            (titles[name], *(_span(_rate(rounds, level, name), 0) for level in levels))
            for name in names
        ),
    )
    hung = [
        f"{titles[name]} answered nothing at all in {cells} of its cells: a ratio of ∞."
        for name in names
        if (
            cells := sum(
                not rate
                for one in rounds
                for level in levels
                for rate in one["throughput"][level][name]
            )
        )
    ]
    return [
        throughput,
        *limited,
        *hung,
        _other_cells(results, rounds),
        _inference(rounds),
        *_once(results),
    ]


def _other_cells(results: Results, rounds: Sequence[Any]) -> str:
    def each(value: Callable[[Any], float], digits: int) -> str:
        return _span(spread(value(one) for one in rounds), digits)

    rows = [
        ("p50 with 1 connection, ms", each(lambda one: mean(one["latency"][OURS]), 3)),
        ("– the constant route", each(lambda one: mean(one["latency"]["constant"]), 3)),
        ("– `pgbench`, one statement", each(lambda one: mean(one["latency"]["pgbench"]), 3)),
        ("open loop: requests per second", each(lambda one: one["open_loop"]["rate"], 0)),
        ("– p50, ms", each(lambda one: one["open_loop"][OURS]["p50"], 2)),
        ("– p99, ms", each(lambda one: one["open_loop"][OURS]["p99"], 2)),
        ("– p50 of the constant route, ms", each(lambda one: one["open_loop"]["constant"]["p50"], 2)),
        ("– p99 of the constant route, ms", each(lambda one: one["open_loop"]["constant"]["p99"], 2)),
        (
            "WAL syncs per 1,000 requests, 64 connections",
            each(lambda one: one["wal"]["syncs_per_1000"], 1),
        ),
        ("– rows per commit", each(lambda one: one["wal"]["rows_per_commit"], 0)),
        ("slow disk: requests per second", each(lambda one: one["slow_disk"]["per_second"], 0)),
        ("– a flush, ms", each(lambda one: one["slow_disk"]["flush_ms"], 2)),
        (
            "`POST /predict/batch` of 10,000: rows per second",
            each(lambda one: mean(one["batch"][OURS]), 0),
        ),
        ("– binary `COPY`", each(lambda one: mean(one["batch"]["copy"]), 0)),
    ]
    return _table(("other cells", "median (smallest to largest)"), rows)


def _inference(rounds: Sequence[Any]) -> str:
    sizes = ("1", "256", "1024", "10000")
    ours = [
        _span(spread(one["forward"]["one_row"] for one in rounds), 0),
        *(_span(spread(one["forward"]["batch"][size] for one in rounds), 0) for size in sizes[1:]),
    ]
    rows = [("`inference`", *ours)]
    for name, title in (
        ("hand_written", "hand-written loop"),
        ("plain_candle", "candle's own operations, layers only"),
    ):
        rows.append((title, _span(spread(one["forward"][name] for one in rounds), 0), "", "", ""))
    for name in rounds[0].get("inference", {}):
        times = (_span(spread(one["inference"][name][size] for one in rounds), 0) for size in sizes)
        rows.append((f"{name}, from Python", *times))
    return _table(("nanoseconds per row", "one row", "batch of 256", "1,024", "10,000"), rows)


def _once(results: Results) -> list[str]:
    rows = []
    if memory := results.get("memory"):
        for key, when in (
            ("early_mb", "10,000 predictions"),
            ("late_mb", f"{memory['predictions']:,} predictions"),
            ("batches_mb", "20 batches of 10,000 after that"),
        ):
            rows.append((f"resident memory after {when}, MB", f"{memory[key]:.1f}"))
    if startup := results.get("startup"):
        rows.append((f"start to ready, ms, {len(startup)} starts", _span(spread(startup), 0)))
    if history := results.get("history"):
        for key in history["rounds"][0]:
            kind, size = key.rsplit("_", 1)
            what = {
                "first": "first page, p50 in ms",
                "deep": "deep page, p50 in ms",
                "predict": "`POST /predict` per second",
            }[kind]
            values = spread(one[key] for one in history["rounds"])
            rows.append(
                (f"{int(size):,} rows: {what}", _span(values, 0 if kind == "predict" else 2))
            )
    return [_table(("once", "median (smallest to largest)"), rows)] if rows else []


def _method(results: Results) -> list[str]:
    rounds, valid = results["rounds"], valid_rounds(results)
    flushes = spread(probe["flush"] for one in valid for probe in one["probes"])
    plan = results["plan"]
    lead = (
        f"`just bench {results['mode']}` on {results['date']}, {results['minutes']:.0f} minutes. "
        f"Valid rounds: {len(valid)}; dropped: {len(rounds) - len(valid)}. In each every contestant ran once for "
        f"{plan['seconds']} s per cell, ours first and last. Ratios are taken within a round; given are their median, "
        f"smallest and largest. In every cell with a record the rows of both tables were counted and equal the 2xx answers "
        f"(plus what was in flight at the cut). A flush of 8 kB took {_span(flushes, 3)} ms in the probes of the valid rounds. "
        "[benchmarks/README.md](benchmarks/README.md) says what each cell is."
    )
    facts = [
        *results["machine"].items(),
        *results["versions"].items(),
        (
            "PostgreSQL's settings",
            ", ".join(
                f"`{name}={value}`"
                for name, value in results["settings"].items()
                if name != "version"
            ),
        ),
    ]
    return [lead, _table(("", ""), facts)]


def _span(value: Spread, digits: int) -> str:
    one, low, high = (f"{number:,.{digits}f}" for number in (value.median, value.low, value.high))
    return one if low == high else f"{one} ({low} to {high})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
