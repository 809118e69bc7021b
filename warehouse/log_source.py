"""Logs in a warehouse: the columns of one table, as Arrow, in an order that does not depend on the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from warehouse.address import Address
from warehouse.errors import AddressError, ConnectionRefused, TableError
from warehouse.session import open_session, require_ibis

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 100_000


class TableSource:
    """The tables of one warehouse, of whatever kind Ibis connects to; made by `open_source`."""

    def __init__(self, address: Address, backend: Any) -> None:
        self._address, self._backend = address, backend

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns; `TableError` where there is none."""
        return list(self._table(table).columns)

    def read(self, table: str, columns: Sequence[str], order: Sequence[str]) -> pa.Table:
        """`columns` of a table, decimals as float64 and pgvector's vectors as lists of float32.

        Rows come as they stand in a DuckDB file, by `order` elsewhere.
        """
        import pyarrow as pa

        expression = self._table(table).select(*columns)
        if vectors := _pgvectors(expression.schema()):
            expression = expression.mutate(**{name: expression[name].cast("array<float32>") for name in vectors})
        if self._address.kind != "duckdb" and order:
            expression = expression.order_by(*order)
        with _told(self._address):
            read = pa.Table.from_batches(*self._stream(expression))
        decimals = [pa.types.is_decimal(field.type) for field in read.schema]
        types = [pa.float64() if is_decimal else f.type for f, is_decimal in zip(read.schema, decimals, strict=True)]
        return read.cast(pa.schema(list(zip(read.column_names, types, strict=True))))

    def _stream(self, expression: Any) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
        if self._address.kind == "duckdb":
            # Ibis 12 reads Arrow by methods that DuckDB 2 does not have.
            reader = self._backend.con.sql(self._backend.compile(expression)).to_arrow_reader(BATCH_ROWS)
        else:
            reader = self._backend.to_pyarrow_batches(expression, chunk_size=BATCH_ROWS)
        return reader, reader.schema

    def _table(self, table: str) -> Any:
        import ibis

        with _told(self._address):
            *schema, name = table.split(".")
            if self._address.kind == "duckdb":
                return self._duckdb_table(schema, name)
            try:
                return self._backend.table(name, database=tuple(schema) or None)
            except ibis.common.exceptions.TableNotFound:
                pass
        raise TableError(f"no table {table!r} in {self._address}: give the name of one that is there")

    def _duckdb_table(self, schema: list[str], name: str) -> Any:
        import duckdb
        import ibis
        import sqlglot.expressions as exp

        source = exp.table_(name, db=schema[-1] if schema else None, quoted=True)
        try:
            empty = self._backend.con.sql(f"SELECT * FROM {source.sql('duckdb')} LIMIT 0").to_arrow_table()
        except duckdb.CatalogException:
            shown = ".".join([*schema, name])
            raise TableError(f"no table {shown!r} in {self._address}: give the name of one that is there") from None
        return ibis.table(ibis.Schema.from_pyarrow(empty.schema), name=name, database=schema[-1] if schema else None)


def _pgvectors(schema: Any) -> list[str]:
    """The columns that Ibis does not know by type and would read as text."""
    from sqlglot.expressions import DataType

    return [
        name
        for name, dtype in schema.items()
        if dtype.is_unknown() and isinstance(dtype.raw_type, DataType) and dtype.raw_type.is_type(DataType.Type.VECTOR)
    ]


@contextmanager
def open_source(address: Address) -> Iterator[TableSource]:
    """Connect to the warehouse for reading; `ConnectionRefused` where it does not answer."""
    require_ibis(address)
    import ibis

    if address.kind in ("duckdb", "bigquery"):
        session: Any = open_session(address, read_only=True)
        backend, close = session.ibis, session.close
    else:
        with _told(address):
            backend = ibis.connect(address.url)
        close = backend.disconnect
    try:
        yield TableSource(address, backend)
    finally:
        close()


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """Any backend may stand here, each with errors of its own."""
    try:
        yield
    except (AddressError, TableError, ConnectionRefused):
        raise
    except Exception as error:
        reason = " ".join((str(error) or type(error).__name__).split())
        raise ConnectionRefused(f"{address}: {reason[:300]}: give the URL of a warehouse that lets you in") from None
