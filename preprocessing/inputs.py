"""The files and folders that a fit reads."""

from __future__ import annotations

from pathlib import Path

from preprocessing.schema import Schema, schema_path
from warehouse.address import table_address


def input_paths(schema: Schema, source: str | Path | None, schema_file: str | Path | None = None) -> list[Path]:
    """The paths of the schema's file, the log, and its user and item tables; of a warehouse's URL, the database file.

    Raises `AddressError` where the URL names no table.
    """
    paths = [] if schema_file is None else [schema_path(schema_file)]
    if source is None:
        return paths
    if "://" in str(source):
        address, _ = table_address(str(source))
        return [*paths, *([] if address.file is None else [address.file])]
    log = Path(source)
    folder = log if log.is_dir() else log.parent
    return [*paths, log, *(folder / name for name in (schema.log.users, schema.log.items) if name)]
