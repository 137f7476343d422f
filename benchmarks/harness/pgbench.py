"""The limit of the database: the same rows, written by PostgreSQL's own load generator."""

import re
import statistics
import tempfile
from pathlib import Path

from .cluster import Cluster
from .load import Load

# One id for both tables, in the form of a UUIDv7. Digits are hexadecimal digits too, so a number that
# rises in front makes ids that rise, for the price of a concatenation; the client's number keeps those
# of two clients apart.
_ID = "('01a2' || :n || '70008000000000000' || :part)::uuid"
_FIRST = 10_000_000
_NUMBERS = "\\set n :n + 1\n\\set part 100 + :client_id\n"

_INPUT = f"""insert into raw_data (id, "timestamp", sepal_width, sepal_length, petal_width, petal_length)
values ({_ID}, now(), 3.5, 5.1, 0.2, 1.4)"""
_OUTPUT = f"""insert into prediction (id, "timestamp", iris_class, probabilities, model_version)
values ({_ID}, now(), 0, '{{0.9999237818519934,0.00007621813667301199,1.13336699072529e-11}}', '1.0.0+9b3f1c56')"""

# pgbench takes a statement with its line breaks, up to the semicolon.
ONE_STATEMENT = f"{_NUMBERS}with input as ({_INPUT})\n{_OUTPUT};\n"
TWO_INSERTS = f"{_NUMBERS}begin;\n{_INPUT};\n{_OUTPUT};\ncommit;\n"


def pgbench(
    cluster: Cluster, database: str, script: str, clients: int, seconds: int, threads: int = 1
) -> Load:
    """Every client runs its next transaction as soon as the one before is committed."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        file = directory / "script.sql"
        file.write_text(script)
        noted = ["--log", f"--log-prefix={directory / 'log'}"] if clients == 1 else []
        size = ["-c", str(clients), "-j", str(threads), "-T", str(seconds)]
        options = ["-n", "-M", "prepared", "-D", f"n={_FIRST}", "-f", str(file), *size, *noted]
        report = cluster.client("pgbench", *options, database)
        times = [
            int(line.split()[2]) / 1000
            for part in directory.glob("log.*")
            for line in part.read_text().splitlines()
        ]
    return parse(report, times)


def parse(report: str, times: list[float]) -> Load:
    """Reads pgbench's report; `times` are those of the single transactions, in milliseconds, if they were noted."""
    committed = re.search(r"number of transactions actually processed: (\d+)", report)
    failed = re.search(r"number of failed transactions: (\d+)", report)
    rate = re.search(r"tps = ([\d.]+)", report)
    average = re.search(r"latency average = ([\d.]+) ms", report)
    if not (committed and rate and average) or (failed and failed[1] != "0"):
        raise RuntimeError(f"pgbench did not do it:\n{report}")
    ordered = sorted(times) or [float(average[1])]
    p99 = ordered[int(len(ordered) * 0.99)]
    return Load(int(committed[1]), float(rate[1]), statistics.median(ordered), p99)
