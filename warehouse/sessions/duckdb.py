"""The session in DuckDB: a local file, one writer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.address import Address
from warehouse.dialects import DUCKDB
from warehouse.errors import AddressError
from warehouse.partition import Batch
from warehouse.session import driver_errors
from warehouse.statements import Statements

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = "naiad_batch"


class DuckDBSession:
    """A session on Ibis's connection that reads Arrow from relations, as DuckDB 2 requires (Ibis 12 does not)."""

    def __init__(self, address: Address, read_only: bool) -> None:
        import duckdb
        import ibis

        self.address, self.statements = address, Statements(DUCKDB)
        self._errors = duckdb.Error
        file = Path(address.path)
        if read_only and not file.is_file():
            raise AddressError(f"{address}: no such file, give a DuckDB file with tables")
        if not file.parent.is_dir():
            raise AddressError(f"{address}: no folder {file.parent}, create it first")
        with self._driver_errors("give a DuckDB file that you may open and that no one else writes to"):
            self.ibis: Any = ibis.duckdb.connect(file, read_only=read_only)
        self._connection: Any = self.ibis.con

    def prepare(self) -> None:
        with self._driver_errors("give a file that you may write to"):
            for sql in self.statements.create():
                self._connection.execute(sql)

    def columns(self, table: str) -> dict[str, str]:
        name = self.statements.literal(table)
        return dict(
            self.rows(
                "SELECT column_name, data_type FROM information_schema.columns "
                f"WHERE table_schema = 'main' AND table_name = {name} ORDER BY ordinal_position"
            )
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._driver_errors("give the tables that this version writes"):
            rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
            return rows

    def batches(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        # A cursor of its own: an answer that is half read would block the connection.
        with self._driver_errors("give a whole file"), self._connection.cursor() as cursor:
            yield from cursor.sql(sql).to_arrow_reader(rows)

    def stage(self, kind: str) -> str:
        staging = f"naiad_staging_{kind}"
        with self._driver_errors("free space for the vectors"):
            self._connection.execute(f"DROP TABLE IF EXISTS {staging}")
            self._connection.execute(self.statements.create_staging(staging))
        return staging

    def append(self, staging: str, batches: Iterable[Batch]) -> None:
        import pyarrow as pa

        for batch in batches:
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(batch.matrix.ravel()), batch.matrix.shape[1])
            table = pa.table({"id": batch.ids, "vector": vectors})
            with self._driver_errors("free space for the vectors"):
                self._connection.register(BATCH, table)
                self._connection.execute(f"INSERT INTO {staging} SELECT id, vector FROM {BATCH}")
                self._connection.unregister(BATCH)

    def drop(self, staging: str) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS {staging}")

    def publish(self, statements: list[str], refuse: Callable[[], None]) -> None:
        with self._driver_errors("nothing was written, try again"):
            self._connection.execute("BEGIN")
            try:
                refuse()
                for sql in statements:
                    self._connection.execute(sql)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self.ibis.disconnect()

    def _driver_errors(self, remedy: str) -> AbstractContextManager[None]:
        return driver_errors(self.address, self._errors, remedy)
