"""Tables of a DuckDB file as Arrow, without Ibis: version 12 uses methods that DuckDB 2 does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from warehouse.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 100_000
# Arrow has no 128-bit integers, times with a zone, or bit strings: DuckDB would truncate them.
AS_TEXT = ("hugeint", "uhugeint", "bignum", "time with time zone", "bit")
REFUSED = ("interval", "union", "variant", "geometry")


class DuckDBTables:
    """The tables behind one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def types(self, table: str) -> dict[str, str]:
        """Return names and types of the columns; `TableError` lists the tables if there is no such table."""
        return {name: str(kind) for name, kind in self._columns(table).items()}

    def read(self, table: str, columns: Sequence[str], order: Sequence[str]) -> pa.Table:  # noqa: ARG002
        """Return the columns as stored; a type that Arrow lacks is returned as text, or refused."""
        import sqlglot.expressions as exp

        kinds = self._columns(table)
        chosen = []
        for name in columns:
            column: Any = exp.column(name, quoted=True)
            kind = _innermost(kinds[name])
            if kind in REFUSED or (kind in AS_TEXT and kind != kinds[name].id):
                raise TypeError(f"is {kinds[name]}")
            if kind in AS_TEXT:
                column = exp.alias_(exp.cast(column, "text"), name, quoted=True)
            chosen.append(column)
        query = exp.select(*chosen).from_(_named(table)).sql("duckdb")
        return self._connection.sql(query).to_arrow_reader(BATCH_ROWS).read_all()

    def _columns(self, table: str) -> dict[str, Any]:
        import duckdb

        query = f"SELECT * FROM {_named(table).sql('duckdb')} LIMIT 0"
        try:
            found = self._connection.sql(query)
        except duckdb.CatalogException:
            if self._is_there(table):  # a view of a table that is gone
                raise
            raise TableError(self._there()) from None
        return dict(zip(found.columns, found.types, strict=True))

    def _is_there(self, table: str) -> bool:
        return (table if "." in table else f"main.{table}") in self._tables()

    def _there(self) -> str:
        names = sorted(name.removeprefix("main.") for name in self._tables())
        return f"give one of {', '.join(names[:8])}" if names else "the file has no tables"

    def _tables(self) -> list[str]:
        query = "SELECT table_schema || '.' || table_name FROM information_schema.tables"
        return [name for (name,) in self._connection.execute(query).fetchall()]


def _named(table: str) -> Any:
    import sqlglot.expressions as exp

    schema, _, name = table.rpartition(".")
    return exp.table_(name, db=schema.rpartition(".")[2] or None, quoted=True)


def _innermost(kind: Any) -> str:
    """Return the name of a type, or of the elements of a list type."""
    while kind.id in ("list", "array"):
        kind = kind.children[0][1]
    return str(kind.id)
