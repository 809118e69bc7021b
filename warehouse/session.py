"""A session in a warehouse: the operations that differ between drivers, below code that is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from warehouse.address import Address
from warehouse.errors import ConnectionRefused, WarehouseError
from warehouse.partition import Batch
from warehouse.statements import Statements

if TYPE_CHECKING:
    import pyarrow as pa


class Session(Protocol):
    """`address` names the warehouse in errors; `statements` are in its dialect."""

    address: Address
    statements: Statements

    def prepare(self) -> None:
        """Create the vector tables if they do not exist."""

    def columns(self, table: str) -> dict[str, str]:
        """Return names and types of a table's columns; none if there is no such table."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a small answer."""

    def batches(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Stream an answer, about `rows` rows at a time."""

    def stage(self, kind: str) -> str:
        """Create an empty staging table; return its name in SQL."""

    def append(self, staging: str, batches: Iterable[Batch]) -> None:
        """Write the batches to a staging table."""

    def drop(self, staging: str) -> None:
        """Drop a staging table."""

    def publish(self, statements: list[str], refuse: Callable[[], None]) -> None:
        """Run `refuse`, which may raise, and then the statements: all of them or none."""

    def close(self) -> None:
        """Close the session; unpublished data are discarded."""


def open_session(address: Address, read_only: bool) -> Session:
    """Connect to a warehouse for reading and writing vectors.

    Raises `ConnectionRefused` or `AddressError` if it does not answer, is missing, or is of another kind.
    """
    require_ibis(address)
    if address.kind == "duckdb":
        from warehouse.duckdb_session import DuckDBSession

        return DuckDBSession(address, read_only)
    if address.kind == "postgres":
        from warehouse.postgres_session import PostgresSession

        return PostgresSession(address)
    if address.kind == "bigquery":
        from warehouse.bigquery_session import BigQuerySession

        return BigQuerySession(address)
    raise ConnectionRefused(f"{address}: vectors are stored only in DuckDB, PostgreSQL or BigQuery: give one of them")


def require_ibis(address: Address) -> None:
    """Raise `WarehouseError` if naiad's extra `warehouse` is not installed."""
    if find_spec("ibis") is None:
        raise WarehouseError(f"{address}: Ibis is not installed: install naiad's extra `warehouse`")


@contextmanager
def told(address: Address, errors: tuple[type[Exception], ...], remedy: str) -> Iterator[None]:
    """Turn the driver's errors into one line that names the warehouse."""
    try:
        yield
    except errors as error:
        raise ConnectionRefused(f"{address}: {in_one_line(error)}: {remedy}") from None


def in_one_line(error: Exception) -> str:
    """Return the message of a driver's error, or the error's name if it has no message."""
    return " ".join((str(error) or type(error).__name__).split())[:300]
