"""The files and folders that a fit reads."""

from __future__ import annotations

from pathlib import Path

from preprocessing.schema import Schema, schema_path
from warehouse.address import table_address


def input_paths(
    schema: Schema,
    source: str | Path | None,
    schema_file: str | Path | None = None,
    users: str | Path | None = None,
    items: str | Path | None = None,
) -> list[Path]:
    """Return the schema's file, the log and its user and item tables; of a warehouse's URL, the database file.

    `users` and `items`: tables that do not lie beside the log.

    Raises `AddressError` where the URL names no table.
    """
    paths = [Path(given) for given in (users, items) if given]
    if schema_file is not None:
        paths.append(schema_path(schema_file))
    if source is None:
        return paths
    if "://" in str(source):
        address, _ = table_address(str(source))
        return [*paths, *([] if address.file is None else [address.file])]
    log = Path(source)
    folder = log if log.is_dir() else log.parent
    return [*paths, log, *(folder / name for name in (schema.log.users, schema.log.items) if name)]
