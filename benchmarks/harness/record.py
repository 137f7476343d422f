"""What stands in the record: counted, so that no figure is given for work that was not done."""

import time

from .cluster import Cluster

TABLES = ("raw_data", "prediction")


class Mismatch(Exception):
    """The record does not hold what was answered: no figure of this run is worth anything."""


def empty(cluster: Cluster, database: str) -> None:
    # `cascade`: the truth refers to predictions, where there is such a table.
    cluster.sql(database, f"truncate {', '.join(TABLES)} cascade")


def count(cluster: Cluster, database: str) -> tuple[int, ...]:
    statement = "select " + ", ".join(f"(select count(*) from {table})" for table in TABLES)
    return tuple(int(number) for number in cluster.sql(database, statement).split("|"))


def settled(cluster: Cluster, database: str) -> tuple[int, ...]:
    """The counts once what was in flight has arrived."""
    counts, before = count(cluster, database), None
    while counts != before:
        time.sleep(0.2)
        counts, before = count(cluster, database), counts
    return counts


def check(cluster: Cluster, database: str, ok: int, in_flight: int, what: str) -> int:
    """Checks tables that were empty against the answers that were counted; gives the number of rows."""
    counts = settled(cluster, database)
    if len(set(counts)) != 1 or not ok <= counts[0] <= ok + in_flight:
        raise Mismatch(
            f"{what}: {ok} were answered, at most {in_flight} more in flight, "
            f"but {dict(zip(TABLES, counts, strict=True))} are on the record"
        )
    return counts[0]
