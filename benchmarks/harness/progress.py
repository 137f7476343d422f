"""What a run says while it runs: one line for each cell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_START = time.monotonic()


def say(text: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - _START), 60)
    print(f"{minutes:3}:{seconds:02}  {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says what was done and how long it took."""
    start = time.monotonic()
    yield
    say(f"{text} ({time.monotonic() - start:.1f} s)")


def elapsed() -> float:
    """Seconds since the start."""
    return time.monotonic() - _START
