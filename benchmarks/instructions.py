"""Counts the instructions of what has to stay fast; compares them with instructions.json.

A count is hardly disturbed by what else the machine does, as a time is. Each operation runs under
valgrind's callgrind twice, once for twice as many rounds; the difference is what the rounds cost,
without everything around them.

Fails if a count has grown by more than 10 %, and also if it has shrunk by more, for then it could
grow back unnoticed. `--renew` writes the counts of now.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from service import running_service  # noqa: E402

BASELINE = Path(__file__).with_suffix(".json")
TOLERANCE = 0.10
FLOWER = b'{"sepal_width":3.5,"sepal_length":5.1,"petal_width":0.2,"petal_length":1.4}'
# What is run, given a command in front of it, and how often the operation is carried out.
Run = Callable[[list[str], int], None]


@dataclass(frozen=True)
class Operation:
    """What is counted: `run` carries it out as often as it is told."""

    name: str
    rounds: int
    run: Run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renew", action="store_true", help="make the counts of now the baseline")
    renew = parser.parse_args().renew
    # The service's count depends on how much it logs, and on how many threads it has: one per core.
    os.environ.pop("RUST_LOG", None)
    os.environ["THREADS"] = "1"

    counts = {operation.name: count(operation) for operation in operations()}
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"instructions": {}}
    failures = compare(baseline["instructions"], counts)
    if renew:
        BASELINE.write_text(json.dumps({"taken": taken(), "instructions": counts}, indent=2) + "\n")
        print(f"\nwrote {BASELINE.relative_to(ROOT)}")
        return 0
    if failures:
        print(f"\nbaseline: {baseline.get('taken')}\nnow:      {taken()}")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def operations() -> list[Operation]:
    packages = ["-p", "inference", "-p", "storage", "-p", "api"]
    tests = executables(["test", "--no-run", *packages, "--lib", "--test", "counted"])
    service = executables(["build", "-p", "api"])["onrecord"]
    return [
        Operation("forward pass of one row", 10_000, test(tests["counted"], "one_row")),
        Operation("forward pass of 256 rows", 100, test(tests["counted"], "batch_of_256")),
        Operation(
            "insert batch of 64 rows", 1_000, test(tests["storage"], "counted::insert_batch")
        ),
        Operation(
            "request, without model and record",
            1_000,
            test(tests["api"], "counted::request_without_record"),
        ),
        Operation("request, the whole service", 2_000, requests(service)),
    ]


def executables(command: list[str]) -> dict[str, str]:
    """Builds with the profile of a release; gives the programs by the names of their targets."""
    command = ["cargo", *command, "--release", "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, built.stdout.splitlines())
    return {it["target"]["name"]: it["executable"] for it in messages if it.get("executable")}


def test(executable: str, name: str) -> Run:
    """A test that carries the operation out as often as a variable says, and checks the result."""

    def run(under: list[str], rounds: int) -> None:
        environment = {**os.environ, "COUNTED_ROUNDS": str(rounds)}
        command = [*under, executable, "--exact", name, "--test-threads=1"]
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if ran.returncode != 0 or "1 passed" not in ran.stdout:
            sys.exit(f"{name} does not pass:\n{ran.stdout}\n{ran.stderr}")

    return run


def requests(service: str) -> Run:
    """Requests to the service, one after the other on one connection, each on the record."""

    def run(under: list[str], rounds: int) -> None:
        with running_service([*under, service]) as address:
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
            for _ in range(rounds):
                connection.request(
                    "POST", "/predict", FLOWER, {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    sys.exit(f"the service answered {answer.status}: {body.decode()}")
            connection.close()

    return run


def count(operation: Operation) -> int:
    """The instructions of one round."""

    def total(rounds: int) -> int:
        with tempfile.TemporaryDirectory() as directory:
            profile = Path(directory, "profile")
            valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
            # The service's log is for the service alone.
            valgrind += ["--vgdb=no", f"--log-file={directory}/log"]
            operation.run(valgrind, rounds)
            return int(re.search(r"^totals: (\d+)$", profile.read_text(), re.MULTILINE)[1])

    return round((total(2 * operation.rounds) - total(operation.rounds)) / operation.rounds)


def compare(before: dict[str, int], now: dict[str, int]) -> list[str]:
    """Prints both; gives what is wrong."""
    failures = []
    renew = "renew the baseline with `just instructions --renew`"
    print(f"{'instructions of one':36}{'baseline':>12}{'now':>12}{'change':>10}")
    for name in sorted(before.keys() | now.keys(), key=[*now, *before].index):
        if name not in before or name not in now:
            print(f"{name:36}{before.get(name, '-'):>12}{now.get(name, '-'):>12}")
            failures.append(f"{name}: on one side only; {renew}")
            continue
        change = now[name] / before[name] - 1
        print(f"{name:36}{before[name]:>12,}{now[name]:>12,}{change:>+10.1%}")
        if change > TOLERANCE:
            failures.append(f"{name}: {change:.1%} more; if that has to be, {renew}")
        elif change < -TOLERANCE:
            failures.append(f"{name}: {-change:.1%} less, which is good; {renew}")
    return failures


def taken() -> dict[str, str]:
    """What the counts were taken on, and with."""

    def version(program: str) -> str:
        return subprocess.check_output([program, "--version"], text=True).strip()

    models = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = models[1] if models else os.uname().machine
    return {"on": processor, "by": version("valgrind"), "from": version("rustc")}


if __name__ == "__main__":
    sys.exit(main())
