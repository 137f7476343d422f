"""Measures everything and writes BENCHMARKS.md: `run.py [quick|full|report] [--without NAME,…] [--before COMMIT]`."""

import argparse
import json
import shutil
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.chart import draw  # noqa: E402
from harness.cluster import running_cluster  # noqa: E402
from harness.contestants import contestants  # noqa: E402
from harness.earlier import build, commit  # noqa: E402
from harness.history import history  # noqa: E402
from harness.install import install  # noqa: E402
from harness.machine import describe  # noqa: E402
from harness.memory import memory  # noqa: E402
from harness.places import BENCHMARKS, ENVIRONMENTS, LOGS, RESULTS, ROOT, WORK  # noqa: E402
from harness.progress import elapsed, say, step  # noqa: E402
from harness.report import report, summary  # noqa: E402
from harness.rounds import Plan, Rounds  # noqa: E402
from harness.startup import startup  # noqa: E402

SERVICES = ("tutorial", "tuned", "mlserver")
INFERENCE = "inference"
QUICK = Plan(rounds=2, most_rounds=3, levels=(64,), seconds=2)
WHOLE = Plan(rounds=7, most_rounds=12, levels=(64, 128), seconds=3)
QUICK_PREDICTIONS, PREDICTIONS = 200_000, 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    modes = ("", "quick", "full", "report")
    parser.add_argument(
        "mode",
        nargs="?",
        default="",
        choices=modes,
        metavar="quick|full|report",
        help="quick: a look, into target/bench; full: with 10 million rows; report: write it again",
    )
    parser.add_argument(
        "--without", default="", metavar="NAMES", help="of tutorial, tuned, mlserver, inference"
    )
    parser.add_argument(
        "--before", metavar="COMMIT", help="let the service of this commit take part too"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _exit)
    if arguments.mode != "report":
        without = set(filter(None, arguments.without.split(",")))
        if unknown := without - {*SERVICES, INFERENCE}:
            parser.error(f"unknown: {', '.join(unknown)}")
        results = _measure(
            arguments.mode,
            [it for it in (*SERVICES, INFERENCE) if it not in without],
            arguments.before and commit(arguments.before),
        )
        RESULTS.write_text(json.dumps(results, indent=1))
    _write(json.loads(RESULTS.read_text()))


def _measure(mode: str, peers: list[str], before: str | None) -> dict[str, Any]:
    quick = mode == "quick"
    plan = replace(QUICK if quick else WHOLE, inference=INFERENCE in peers)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    install()
    if peers:
        from peers import services

        with step("the peers are there"):
            services.prepare(ENVIRONMENTS, peers)
    if before is not None:
        build(before)
    with running_cluster() as cluster:
        results: dict[str, Any] = {
            "mode": mode,
            "before": before,
            "plan": asdict(plan),
            **describe(cluster),
        }
        services_of_others = [peer for peer in peers if peer != INFERENCE]
        with contestants(cluster, services_of_others, before) as everyone:
            results["contestants"] = {
                name: {
                    "title": it.title,
                    "keeps_record": it.database is not None,
                    "most_connections": it.most_connections,
                }
                for name, it in everyone.items()
            }
            rounds = Rounds(cluster, everyone, plan)
            rounds.warm_up()
            results["rounds"] = rounds.run()
        if not any(one["valid"] for one in results["rounds"]):
            return {**results, "minutes": elapsed() / 60}
        results["startup"] = startup(cluster)
        results["memory"] = memory(cluster, QUICK_PREDICTIONS if quick else PREDICTIONS)
        if mode == "full":
            # What was measured so far is not lost if the long part fails.
            RESULTS.write_text(json.dumps({**results, "minutes": elapsed() / 60}, indent=1))
            results["history"] = history(cluster, plan.seconds)
    return {**results, "minutes": elapsed() / 60}


def _write(results: dict[str, Any]) -> None:
    """A quick run is a look; only a whole one is worth keeping."""
    if not any(one["valid"] for one in results["rounds"]):
        sys.exit("no round was valid: the machine is not quiet enough to measure anything")
    if results["mode"] == "quick":
        directory, chart = WORK, WORK / "chart.svg"
    else:
        directory, chart = ROOT, BENCHMARKS / "chart.svg"
    draw(results, chart)
    file = directory / "BENCHMARKS.md"
    file.write_text(report(results, str(chart.relative_to(directory))))
    print(summary(results))
    say(f"written: {file} and {chart}")


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
