"""How often the log was flushed, from PostgreSQL's own counters."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .cluster import Cluster
from .flower import predict

# A session reports what it counted at the end of a statement, at most once a second.
_REPORTED_AFTER = 1.1
_NUDGES = 16
# And at the latest when it has been idle for so long.
IDLE_REPORTED_AFTER = 10.5


@dataclass(frozen=True)
class Counters:
    """Of the whole server, and the commits of one database."""

    syncs: float
    sync_milliseconds: float
    commits: float

    def since(self, before: "Counters") -> "Counters":
        return Counters(
            self.syncs - before.syncs,
            self.sync_milliseconds - before.sync_milliseconds,
            self.commits - before.commits,
        )


def counters(cluster: Cluster, database: str, url: str) -> Counters:
    """The counters, after the sessions of the service at `url` have reported theirs."""
    time.sleep(_REPORTED_AFTER)
    with ThreadPoolExecutor(_NUDGES) as threads:
        for _ in threads.map(predict, [url] * _NUDGES):
            pass
    time.sleep(0.1)
    version = int(cluster.sql("postgres", "show server_version_num"))
    source = (
        "sum(fsyncs), sum(fsync_time) from pg_stat_io where object = 'wal'"
        if version >= 180_000
        else "wal_sync, wal_sync_time from pg_stat_wal"
    )
    syncs, milliseconds = cluster.sql("postgres", f"select {source}").split("|")
    commits = cluster.sql(
        "postgres", f"select xact_commit from pg_stat_database where datname = '{database}'"
    )
    return Counters(float(syncs), float(milliseconds or 0), float(commits))
