"""Tables of any database to which Ibis connects, as Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from warehouse.duckdb_tables import BATCH_ROWS
from warehouse.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa


class IbisTables:
    """The tables of one of Ibis's backends."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def types(self, table: str) -> dict[str, str]:
        """Return names and types of the columns; `TableError` lists the tables if there is no such table."""
        return {name: str(kind) for name, kind in self._table(table).schema().items()}

    def read(self, table: str, columns: Sequence[str], order: Sequence[str]) -> pa.Table:
        """Return the columns, rows by `order`; a type that Arrow lacks is returned as the warehouse's text."""
        source = self._table(table)
        if order:
            source = source.order_by(*order)
        chosen = {name: self._carried(source[name]) for name in columns}
        reader = self._backend.to_pyarrow_batches(source.select(**chosen), chunk_size=BATCH_ROWS)
        return reader.read_all()

    def _table(self, table: str) -> Any:
        import ibis

        *schema, name = table.split(".")
        try:
            return self._backend.table(name, database=tuple(schema) or None)
        except ibis.common.exceptions.TableNotFound:
            raise TableError(self._there(tuple(schema))) from None

    def _there(self, schema: tuple[str, ...]) -> str:
        names: list[str] = []
        with suppress(Exception):  # only for a hint; the error is reported elsewhere
            names = sorted(self._backend.list_tables(database=schema or None))
        return f"give one of {', '.join(names[:8])}" if names else "give the name of an existing one"

    def _carried(self, column: Any) -> Any:
        """Return the column in a type that Arrow represents exactly."""
        kind = column.type()
        if kind.is_interval() or kind.is_geospatial():
            raise TypeError(f"is {kind}")
        if _is_vector(kind):
            return column.cast("array<float32>")
        if kind.is_array() and _is_unbounded(kind.value_type):
            return column.cast("array<float64>")
        is_padded = kind.is_string() and kind.length is not None
        if _is_unbounded(kind) or kind.is_uuid() or kind.is_inet() or kind.is_unknown() or is_padded:
            return column.cast("string")
        return column


def _is_unbounded(kind: Any) -> bool:
    """Return whether it is a decimal with any number of digits, of which Ibis would keep nine decimal places."""
    return bool(kind.is_decimal() and kind.precision is None)


def _is_vector(kind: Any) -> bool:
    """Return whether it is pgvector's type, which Ibis does not know and would read as text."""
    from sqlglot.expressions import DataType

    raw = kind.raw_type if kind.is_unknown() else None
    return isinstance(raw, DataType) and raw.is_type(DataType.Type.VECTOR)
