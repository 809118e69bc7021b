"""The reader of a log and its user and item tables from a warehouse: the wanted columns in their Arrow types."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from preprocessing.log.tables import RawTable, Wanted, require_columns, wanted_of_log, wanted_of_side
from preprocessing.schema import Schema
from warehouse.address import table_address
from warehouse.log_source import TableSource, open_source


def warehouse_tables(
    schema: Schema, url: str, elsewhere: Collection[str] = ()
) -> tuple[RawTable, RawTable | None, RawTable | None]:
    """Read the log from the table of `url`; the schema's `users.parquet` is the table `users` next to it.

    SQL tables have no order: rows come by time, user, session, item and value, except in DuckDB.

    elsewhere: sides ("user" or "item") whose table is not read here.
    """
    address, table = table_address(url)
    log, columns = schema.log, schema.log.columns
    order = [columns.time, columns.user, columns.session, columns.item, columns.value]
    with open_source(address) as source:
        read = _read(source, table, wanted_of_log(schema), [column for column in order if column])
        sides = (
            _read(source, _beside(table, file), wanted_of_side(schema, side), [key])
            if file and key and side not in elsewhere
            else None
            for file, side, key in (
                (log.users, "user", log.user_table_key),
                (log.items, "item", log.item_table_key),
            )
        )
        users, items = sides
        return read, users, items


def _beside(table: str, file: str) -> str:
    """Return the table with the name of `file` in the schema of `table`."""
    return ".".join([*table.split(".")[:-1], Path(file).stem])


def _read(source: TableSource, table: str, wanted: Wanted, order: list[str]) -> RawTable:
    there = source.columns(table)
    require_columns(there, f"table {table}", order)
    columns = [column for column in wanted.columns if column in there]
    return RawTable(f"table {table}", source.read(table, columns, order), tuple(there))
