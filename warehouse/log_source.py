"""Logs in a warehouse: the columns of one table, as Arrow, in an order that does not depend on the query plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from stage.library_errors import in_one_line
from warehouse.address import Address
from warehouse.connect import open_session, require_ibis
from warehouse.errors import TableError, WarehouseError
from warehouse.session import driver_errors

if TYPE_CHECKING:
    import pyarrow as pa


class Tables(Protocol):
    """The operations that differ between warehouses. Errors are the driver's; a TypeError refuses a column."""

    def types(self, table: str) -> dict[str, str]:
        """Return names and types of a table's columns; `TableError` lists the tables if there is no such table."""

    def read(self, table: str, columns: Sequence[str], order: Sequence[str]) -> pa.Table:
        """Return some columns of a table, in Arrow types that represent every value exactly."""


class TableSource:
    """The tables of one warehouse of any kind to which Ibis connects; `open_source` makes it."""

    def __init__(self, address: Address, tables: Tables) -> None:
        self._address, self._tables = address, tables

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns; `TableError` if there is no such table."""
        return list(self._types(table))

    def read(self, table: str, columns: Sequence[str], order: Sequence[str]) -> pa.Table:
        """Return `columns` of a table: decimals are never floats; pgvector's vectors are lists of float32.

        128-bit integers, decimals with any number of digits, UUIDs and types that Arrow lacks become text. Rows have
        the order of the DuckDB file; elsewhere they are sorted by `order`.

        Raises:
            TableError: The type of a column cannot be read, or a value does not fit into its Arrow type.

        """
        types = self._types(table)
        try:
            read = self._tables.read(table, columns, order)
        except WarehouseError:
            raise
        except Exception as error:
            raise self._refusal(table, types, columns, error) from None
        for name in columns:
            if not _is_carried(read.schema.field(name).type):
                raise self._refused_column(table, name, types, f"is {types[name]}")
        return read

    def _types(self, table: str) -> dict[str, str]:
        try:
            return self._tables.types(table)
        except TableError as error:
            raise TableError(f"no table {table!r} in {self._address}: {error}") from None
        except Exception as error:
            raise self._refused_table(table, error) from None

    def _refusal(self, table: str, types: dict[str, str], columns: Sequence[str], error: Exception) -> TableError:
        """Return the error with the name of the column, if reading that column alone fails too."""
        if not _is_of_the_connection(error):
            for name in columns:
                try:
                    self._tables.read(table, [name], [])
                except Exception as own:
                    if _is_of_the_connection(own):
                        break
                    return self._refused_column(table, name, types, in_one_line(own))
        return self._refused_table(table, error)

    def _refused_table(self, table: str, error: Exception) -> TableError:
        remedy = "try again" if _is_of_the_connection(error) else "give a table or view that you can read"
        return TableError(f"{self._address}: table {table!r} cannot be read ({in_one_line(error)}): {remedy}")

    def _refused_column(self, table: str, name: str, types: dict[str, str], reason: str) -> TableError:
        seen = reason if reason.startswith("is ") else f"({types[name]}) cannot be read: {reason}"
        return TableError(
            f"{self._address}: table {table!r}: column {name!r} {seen}: "
            f"read a view that casts it, as CAST({name} AS VARCHAR) does"
        )


def _is_carried(kind: Any) -> bool:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_union(kind) or pa.types.is_interval(kind):
        return False
    return all(_is_carried(kind.field(place).type) for place in range(kind.num_fields))


def _is_of_the_connection(error: Exception) -> bool:
    """Return whether the connection is lost, rather than a value unreadable."""
    name = type(error).__name__
    return isinstance(error, OSError) or name in ("OperationalError", "InterfaceError", "AdminShutdown")


@contextmanager
def open_source(address: Address) -> Iterator[TableSource]:
    """Connect to the warehouse for reading; `ConnectionRefused` if it does not answer."""
    require_ibis(address)
    import ibis

    if address.kind in ("duckdb", "bigquery"):
        session: Any = open_session(address, read_only=True)
        backend, close = session.ibis, session.close
    else:
        # Each backend has errors of its own.
        with (
            driver_errors(address, Exception, "give the URL of a warehouse that you may connect to"),
            driver_errors(address, ImportError, f"install Ibis's driver, ibis-framework[{address.kind}]"),
        ):
            backend = ibis.connect(address.url)
        close = backend.disconnect
    try:
        yield TableSource(address, _tables(address, backend))
    finally:
        with suppress(Exception):  # a broken connection cannot be closed either
            close()


def _tables(address: Address, backend: Any) -> Tables:
    if address.kind == "duckdb":
        from warehouse.duckdb_tables import DuckDBTables

        return DuckDBTables(backend.con)
    from warehouse.ibis_tables import IbisTables

    return IbisTables(backend)
