"""The files and folders that a fit reads."""

from __future__ import annotations

from pathlib import Path

from preprocessing.log.read import Source, table_files
from preprocessing.schema import Schema, schema_path
from warehouse.address import table_address


def input_paths(schema: Schema, source: Source, schema_file: str | Path | None = None) -> list[Path]:
    """Return the schema's file, the log and its user and item tables; of a warehouse's URL, the database file.

    Raises:
        AddressError: The URL names no table.
        LogError: The log's folder holds no log.

    """
    paths = [] if schema_file is None else [schema_path(schema_file)]
    if source.log is None:
        return paths
    if "://" in str(source.log):
        address, _ = table_address(str(source.log))
        return [*paths, *([] if address.file is None else [address.file])]
    return [*paths, Path(source.log), *table_files(schema, source)]
