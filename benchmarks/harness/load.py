"""Load over HTTP: wrk for a closed loop, oha for an open one."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .places import OHA
from .processes import run

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


@dataclass(frozen=True)
class Load:
    """What a load generator saw. Times in milliseconds."""

    ok: int
    per_second: float
    p50: float
    p99: float
    refused: int = 0


def closed_loop(
    url: str, script: Path, connections: int, seconds: int, key: str | None = None
) -> Load:
    """Every connection asks again as soon as it is answered; `key`: the API key that it shows."""
    headers = ["-H", f"Authorization: Bearer {key}"] if key else []
    return parse_wrk(
        run(
            [
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{seconds}s",
                "--timeout",
                "30s",
                "--latency",
                "-s",
                script,
                *headers,
                url,
            ]
        )
    )


def parse_wrk(text: str) -> Load:
    """Reads wrk's report; a broken connection is an error, an answer that is no 2xx is refused."""
    if re.search(r"Socket errors:.*", text):
        raise RuntimeError(f"not everything was answered:\n{text}")
    refusals = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    refused = int(refusals[1]) if refusals else 0
    requests = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    if requests is None:
        raise RuntimeError(f"this is no report of wrk:\n{text}")
    ok, seconds = int(requests[1]) - refused, float(requests[2]) * _UNITS[requests[3]] / 1000
    return Load(ok, ok / seconds, _percentile(text, 50), _percentile(text, 99), refused)


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk did not say its latencies:\n{text}")
    return float(found[1]) * _UNITS[found[2]]


def open_loop(url: str, body: str, connections: int, seconds: int, rate: int) -> Load:
    """So many requests per second, whether or not the ones before are answered.

    Latency counts from when a request was due, not from when it could be sent.
    """
    pace = ["--latency-correction", "-q", str(rate), "-z", f"{seconds}s"]
    return parse_oha(_oha(url, body, connections, *pace))


def peak(url: str, body: str, connections: int, seconds: int) -> Load:
    """The most that the generator of the open loop gets answered: a closed loop with it."""
    return parse_oha(_oha(url, body, connections, "-z", f"{seconds}s"))


def exactly(url: str, body: str, connections: int, requests: int) -> Load:
    """A closed loop that ends after so many requests."""
    return parse_oha(_oha(url, body, connections, "-n", str(requests)))


def _oha(url: str, body: str, connections: int, *options: str) -> str:
    shown: list[str | Path] = [OHA, "--no-tui", "--output-format", "json"]
    request = ["-c", str(connections), "-m", "POST", "-T", "application/json", "-d", body, url]
    return run([*shown, *options, *request])


def parse_oha(text: str) -> Load:
    """Reads oha's report; what is still in flight at the end is no error."""
    report = json.loads(text)
    errors = {
        error: count
        for error, count in report["errorDistribution"].items()
        if error != "aborted due to deadline"
    }
    codes = {int(code): count for code, count in report["statusCodeDistribution"].items()}
    if errors or set(codes) != {200}:
        raise RuntimeError(f"not everything was answered: {codes} {errors}")
    percentiles = report["latencyPercentiles"]
    return Load(
        codes[200],
        codes[200] / report["summary"]["total"],
        percentiles["p50"] * 1000,
        percentiles["p99"] * 1000,
    )
