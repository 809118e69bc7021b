"""The session in PostgreSQL: vectors are pgvector's if the extension is available, else arrays of real."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

from warehouse.address import Address
from warehouse.dialects import POSTGRES_ARRAY, Dialect, pgvector_in
from warehouse.errors import VectorError
from warehouse.partition import Batch
from warehouse.session import driver_errors
from warehouse.statements import KINDS, MANIFEST, Statements, vector_table

if TYPE_CHECKING:
    import pyarrow as pa

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_END = struct.pack(">h", -1)
OID_OF_REAL = 700
WIDEST_PGVECTOR = 16_000


class PostgresSession:
    """A session on Ibis's connection (psycopg; every statement is a transaction of its own)."""

    def __init__(self, address: Address) -> None:
        import ibis
        import psycopg

        self.address = address
        self._errors = psycopg.Error
        # Ibis has errors of its own for an invalid port or option.
        with driver_errors(address, Exception, "give the URL of a running PostgreSQL server that you may connect to"):
            self.ibis: Any = ibis.connect(address.url)
        self._connection: Any = self.ibis.con
        self.statements = Statements(self._dialect())

    def _dialect(self) -> Dialect:
        """Return the dialect of the existing tables; for new ones, pgvector's if it is installed."""
        self.statements = Statements(POSTGRES_ARRAY)
        types = [self.columns(vector_table(kind)).get("vector") for kind in KINDS]
        installed = self.rows(
            "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
            "WHERE extname = 'vector'"
        )
        if not installed or (any(types) and "vector" not in types):
            return POSTGRES_ARRAY
        return pgvector_in(installed[0][0])

    def prepare(self) -> None:
        import psycopg

        with self._driver_errors("give a database in which you may create tables"), self._connection.transaction():
            # IF NOT EXISTS does not prevent two sessions from creating the same table at once.
            self._connection.execute("SELECT pg_advisory_xact_lock(hashtext('naiad vector tables'))")
            if self.rows("SELECT 1 FROM pg_available_extensions WHERE name = 'vector' AND installed_version IS NULL"):
                # Without permission to create the extension, arrays are used.
                with suppress(psycopg.errors.InsufficientPrivilege), self._connection.transaction():
                    self._connection.execute("CREATE EXTENSION vector")
            self.statements = Statements(self._dialect())
            for sql in self.statements.create():
                self._connection.execute(sql)
            for name in map(vector_table, KINDS):
                self._connection.execute(
                    f"CREATE INDEX IF NOT EXISTS {name}_of_run ON {self.statements.table(name)} (experiment, run, id)"
                )

    def columns(self, table: str) -> dict[str, str]:
        name = self.statements.literal(self.statements.table(table))
        return dict(
            self.rows(
                "SELECT attname, typname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
                f"WHERE attrelid = to_regclass({name}) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            )
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._driver_errors("give the tables that this version writes"):
            rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
            return rows

    def batches(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])
        with (
            self._driver_errors("try again"),
            self._connection.transaction(),
            self._connection.cursor(name="naiad_vectors", binary=True) as cursor,
        ):
            cursor.execute(sql)
            while part := cursor.fetchmany(rows):
                columns = zip(*part, strict=True)
                arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
                yield pa.record_batch(arrays, schema=schema)

    def stage(self, kind: str) -> str:
        staging = f"naiad_staging_{kind}"
        with self._driver_errors("give a database in which you may create temporary tables"):
            self.drop(staging)
            self._connection.execute(self.statements.create_staging(staging))
        return staging

    def append(self, staging: str, batches: Iterable[Batch]) -> None:
        of_vector = _real_array if self.statements.dialect is POSTGRES_ARRAY else _pgvector
        with (
            self._driver_errors("nothing was written, try again"),
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {staging} (id, vector) FROM STDIN WITH (FORMAT binary)") as copy,
        ):
            copy.write(COPY_HEADER)
            for batch in batches:
                copy.write(_copied(batch, of_vector))
            copy.write(COPY_END)

    def drop(self, staging: str) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS {staging}")

    def publish(self, statements: list[str], refuse: Callable[[], None]) -> None:
        with self._driver_errors("nothing was written, try again"), self._connection.transaction():
            # A second writer waits here and then sees the run of the first; readers do not wait.
            self._connection.execute(f"LOCK TABLE {self.statements.table(MANIFEST)} IN SHARE ROW EXCLUSIVE MODE")
            refuse()
            for sql in statements:
                self._connection.execute(sql)

    def close(self) -> None:
        self._connection.close()

    def _driver_errors(self, remedy: str) -> AbstractContextManager[None]:
        return driver_errors(self.address, self._errors, remedy)


def _copied(batch: Batch, of_vector: Callable[[Any], list[bytes]]) -> bytes:
    """Return a batch as rows of COPY's binary format."""
    out = bytearray()
    for id_, vector in zip(batch.ids, of_vector(batch.matrix), strict=True):
        text = id_.encode()
        out += struct.pack(">hi", 2, len(text)) + text + struct.pack(">i", len(vector)) + vector
    return bytes(out)


def _pgvector(matrix: Any) -> list[bytes]:
    """Return [B, D] in pgvector's binary format: the width, an unused word, the floats."""
    width = matrix.shape[1]
    if width > WIDEST_PGVECTOR:
        raise VectorError(f"vectors are {width} wide, pgvector stores at most {WIDEST_PGVECTOR}: give narrower ones")
    head = struct.pack(">HH", width, 0)
    return [head + row.tobytes() for row in matrix.astype(">f4")]


def _real_array(matrix: Any) -> list[bytes]:
    """Return [B, D] in the binary format of real[]: dimensions, no nulls, type, length, lower bound; (4, float)."""
    import numpy as np

    rows, width = matrix.shape
    head = struct.pack(">iiiii", 1, 0, OID_OF_REAL, width, 1)
    elements = np.empty((rows, width), dtype=[("length", ">i4"), ("float", ">f4")])
    elements["length"], elements["float"] = 4, matrix
    return [head + row.tobytes() for row in elements]
