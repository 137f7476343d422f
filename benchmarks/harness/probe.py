"""Whether the machine was itself: the time of a flush and of a fixed piece of arithmetic."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FLUSHES = 200
PAGE = bytes(8192)
# A round is not counted if either time moved by more than this from its start to its end, or by more than the second
# between any two probes. A slow spell of the disk is some 30-fold, and may begin and end within a round.
MOST_MOVED = 1.5
MOST_MOVED_WITHIN = 3.0


@dataclass(frozen=True)
class Probe:
    """Medians, in milliseconds."""

    flush: float
    spin: float


def probe(directory: Path) -> Probe:
    """Asks the disk of this directory and the CPU."""
    return Probe(_flush(directory / "probe"), _spin())


def steady(probes: Sequence[Probe]) -> bool:
    """Whether the machine was the same from the first probe of a round to the last."""
    around = _moved([probes[0], probes[-1]])
    return around <= MOST_MOVED and _moved(probes) <= MOST_MOVED_WITHIN


def _moved(probes: Sequence[Probe]) -> float:
    """By which factor either time changed between any two of them, at least 1."""
    flushes, spins = [one.flush for one in probes], [one.spin for one in probes]
    return max(max(times) / min(times) for times in (flushes, spins))


def _flush(path: Path) -> float:
    """As PostgreSQL writes its log: pages of 8 kB in space that is there, each flushed."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.pwrite(file, PAGE * FLUSHES, 0)
        os.fsync(file)
        times = []
        for page in range(FLUSHES):
            start = time.perf_counter()
            os.pwrite(file, PAGE, page * len(PAGE))
            os.fdatasync(file)
            times.append(time.perf_counter() - start)
    finally:
        os.close(file)
    return statistics.median(times) * 1000


def _spin() -> float:
    times = []
    for _ in range(9):
        start = time.perf_counter()
        total = 0
        for number in range(200_000):
            total += number * number
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000
