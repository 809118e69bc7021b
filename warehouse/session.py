"""A session in a warehouse: the operations that differ between drivers, below code that is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from stage.library_errors import Becomes, in_one_line, map_errors
from warehouse.address import Address
from warehouse.errors import ConnectionRefused
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


def driver_errors(
    address: Address, raised: type[Exception] | tuple[type[Exception], ...], remedy: str
) -> AbstractContextManager[None]:
    """Return a block in which the driver's errors become `ConnectionRefused`, one line about the warehouse."""
    return map_errors(Becomes(raised, lambda error: ConnectionRefused(f"{address}: {in_one_line(error)}: {remedy}")))
