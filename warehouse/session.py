"""A session in a warehouse: what each driver does in its own way, so that everything above is the same code."""

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


def driver_errors(
    address: Address, raised: type[Exception] | tuple[type[Exception], ...], remedy: str
) -> AbstractContextManager[None]:
    """Return a block in which what the driver raises becomes `ConnectionRefused`, one line about the warehouse."""
    return map_errors(Becomes(raised, lambda error: ConnectionRefused(f"{address}: {in_one_line(error)}: {remedy}")))
