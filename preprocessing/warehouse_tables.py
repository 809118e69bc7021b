"""A log and its user and item tables from a warehouse, as the frames that files give: only the columns asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.log_columns import LogError
from preprocessing.schema import Schema, is_column
from warehouse.address import table_address
from warehouse.log_source import TableSource, open_source

if TYPE_CHECKING:
    import pandas as pd

    Frames = tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]


def warehouse_frames(schema: Schema, url: str) -> Frames:
    """The log in the table of `url`; the schema's `users.parquet` is the table `users` beside it.

    A table has no order of its own: but for DuckDB's, rows come by time, user, session, item and value.
    """
    address, table = table_address(url)
    columns, wanted = schema.log.columns, _wanted(schema)
    with open_source(address) as source:
        order = [columns.time, columns.user, columns.session, columns.item, columns.value]
        log = _frame(source, table, wanted["log"], [column for column in order if column])
        beside = [
            _frame(source, _beside(table, file), wanted[side], [key]) if file else None
            for file, side, key in ((schema.log.users, "user", columns.user), (schema.log.items, "item", columns.item))
        ]
        return log, beside[0], beside[1]


def _beside(table: str, file: str) -> str:
    """The table of `file`'s name in the schema that `table` is in."""
    return ".".join([*table.split(".")[:-1], Path(file).stem])


def _wanted(schema: Schema) -> dict[str, list[str]]:
    """The columns to read of the log and of the user and item tables, each once."""
    columns = schema.log.columns
    features: dict[str, list[str | None]] = {
        side: [f.raw_column for f in schema.features if f.side == side and is_column(f)]
        for side in ("user", "item", "context")
    }
    wanted = {
        "log": [columns.user, columns.item, columns.time, columns.session, columns.value, *features["context"]],
        "user": [columns.user, *features["user"]],
        "item": [columns.item, columns.title, *features["item"]],
    }
    for side, file in (("user", schema.log.users), ("item", schema.log.items)):
        if not file:
            wanted["log"] += wanted[side]
    return {table: list(dict.fromkeys(name for name in names if name)) for table, names in wanted.items()}


def _frame(source: TableSource, table: str, columns: list[str], order: list[str]) -> pd.DataFrame:
    there = source.columns(table)
    for column in columns:
        if column not in there:
            raise LogError(
                f"no column {column!r} in table {table}: the columns are {', '.join(there)}; "
                "name the right one in the schema or with --columns"
            )
    return source.read(table, columns, order).to_pandas()
