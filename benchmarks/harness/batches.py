"""`POST /predict/batch` against binary COPY of the very same rows."""

import time
from pathlib import Path

from . import record
from .cluster import Cluster
from .contestants import Contestant
from .flower import BATCH_ROWS, Client, batch_body

BATCHES = 20
_TARGET = "pgbench"


class Batches:
    """Batches of 10,000 over one connection, predicted by the service or copied by psql."""

    def __init__(self, cluster: Cluster, ours: Contestant) -> None:
        self._cluster = cluster
        self._ours = ours
        self._database = str(ours.database)
        self._files = cluster.directory / "copy"
        self._files.mkdir(mode=0o755)
        self.predict()
        self._export()

    def predict(self) -> float:
        """Rows per second by the service; the record is checked."""
        self._ours.prepare(self._cluster)
        with Client(self._ours.url) as client:
            start = time.perf_counter()
            for _ in range(BATCHES):
                client.post("/predict/batch", batch_body())
            took = time.perf_counter() - start
        rows = BATCHES * BATCH_ROWS
        record.check(self._cluster, self._database, rows, 0, "batches")
        return rows / took

    def copy(self) -> float:
        """Rows per second by psql: per batch one transaction, both tables."""
        record.empty(self._cluster, _TARGET)
        clock = "select extract(epoch from clock_timestamp());"
        lines = [clock]
        for batch in range(BATCHES):
            copies = [
                f"\\copy {table} from '{self._file(table, batch)}' (format binary)"
                for table in record.TABLES
            ]
            lines += ["begin;", *copies, "commit;"]
        script = self._files / "copy.sql"
        script.write_text("\n".join([*lines, clock, ""]))
        printed = self._cluster.client(
            "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", _TARGET, "-f", script
        )
        start, end = (float(line) for line in printed.split())
        rows = BATCHES * BATCH_ROWS
        record.check(self._cluster, _TARGET, rows, 0, "COPY")
        return rows / (end - start)

    def _export(self) -> None:
        """What the service has just recorded, batch by batch, as files for COPY."""
        for batch in range(BATCHES):
            for table in record.TABLES:
                part = f"offset {batch * BATCH_ROWS} limit {BATCH_ROWS}"
                rows = f"select * from {table} order by id {part}"
                file = self._file(table, batch)
                self._cluster.sql(self._database, f"\\copy ({rows}) to '{file}' (format binary)")

    def _file(self, table: str, batch: int) -> Path:
        return self._files / f"{table}.{batch}"
