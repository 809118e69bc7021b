"""The files and folders that a fit reads."""

from __future__ import annotations

from pathlib import Path

from preprocessing.log.read import Source, table_files
from preprocessing.schema import Schema, schema_path
from warehouse.address import table_address


def input_paths(schema: Schema, source: Source, schema_file: str | Path | None = None) -> list[Path]:
    """Return the files of the log, its user and item tables and the schema; for a warehouse's URL the database file.

    In a folder with `interactions.*` only that file is the log, so an output may be next to it.

    Raises:
        AddressError: The URL names no table.
        LogError: The folder has no log.

    """
    named = [] if schema_file is None else [schema_path(schema_file)]
    if source.log is None:
        return named
    if "://" in str(source.log):
        address, _ = table_address(str(source.log))
        return [*([] if address.file is None else [address.file]), *table_files(schema, source), *named]
    return [*table_files(schema, source), *named]
