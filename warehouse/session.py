"""A session in a warehouse: what its driver does in a way of its own, so that everything above is the same code."""

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
        """Create the vector tables where they are not there yet."""

    def columns(self, table: str) -> dict[str, str]:
        """Names and types of a table's columns; none where there is no such table."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small answer."""

    def batches(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        """An answer as it comes, about `rows` rows at a time."""

    def stage(self, kind: str) -> str:
        """Create an empty staging table; its name as SQL has it."""

    def append(self, staging: str, batches: Iterable[Batch]) -> None:
        """Write the batches into a staging table."""

    def drop(self, staging: str) -> None:
        """Drop a staging table."""

    def publish(self, statements: list[str], refuse: Callable[[], None]) -> None:
        """Run `refuse`, which may raise, and the statements: all of them or none."""

    def close(self) -> None:
        """End the session; what is not published is gone."""


def open_session(address: Address, read_only: bool) -> Session:
    """Connect to a warehouse that vectors may be written to.

    Raises `ConnectionRefused` or `AddressError` where it does not answer, is missing, or is of another kind.
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
    raise ConnectionRefused(f"{address}: vectors are kept in DuckDB, PostgreSQL or BigQuery alone, give one of them")


def require_ibis(address: Address) -> None:
    """Raise `WarehouseError` where naiad's extra `warehouse` is not installed."""
    if find_spec("ibis") is None:
        raise WarehouseError(f"{address}: Ibis is not installed: install naiad's extra `warehouse`")


@contextmanager
def told(address: Address, errors: tuple[type[Exception], ...], remedy: str) -> Iterator[None]:
    """Make the driver's errors one line that names the warehouse."""
    try:
        yield
    except errors as error:
        raise ConnectionRefused(f"{address}: {in_one_line(error)}: {remedy}") from None


def in_one_line(error: Exception) -> str:
    """What a driver's error says; the name of one that says nothing."""
    return " ".join((str(error) or type(error).__name__).split())[:300]
