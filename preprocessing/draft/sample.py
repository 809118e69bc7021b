"""The first rows of a table with all its columns, read as `preprocessing fit` reads them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preprocessing.log.csv_file import quoting_of, read_csv
from preprocessing.log.errors import LogError
from preprocessing.log.files import ATOMIC, SEPARATORS, compression_of, kind_of, part_files
from preprocessing.log.tables import RawTable, Wanted
from preprocessing.log_layout import Log

ROWS = 200_000
CHUNK = 20_000
NOTHING = Wanted((), frozenset())


def first_rows(path: Path, name: str, log: Log) -> tuple[RawTable, bool]:
    """Read the first `ROWS` rows of the files at `path` as the table `name`; return whether there are more."""
    chunks: list[pa.Table] = []
    rows = 0
    for part in part_files(path):
        for chunk in _chunks(part, log):
            if chunks and chunk.schema != chunks[0].schema:
                raise LogError(f"{part.name} and the part files before it differ in columns or types: give one of them")
            chunks.append(chunk)
            rows += len(chunk)
            if rows > ROWS:
                table = pa.concat_tables(chunks).slice(0, ROWS)
                return RawTable(name, table, tuple(table.column_names)), True
    if not rows:
        raise LogError(f"{path}: has no rows, give a table with some")
    table = pa.concat_tables(chunks)
    return RawTable(name, table, tuple(table.column_names)), False


def separator_seen(path: Path, log: Log) -> str | None:
    """Return the separator of a CSV file whose header is one column with the usual separator; else None."""
    part = part_files(path)[0]
    if log.separator or kind_of(part) not in SEPARATORS or len(_header(part, log)) > 1:
        return None
    columns = {mark: len(_header(part, log.model_copy(update={"separator": mark}))) for mark in ";\t|,"}
    best = max(columns, key=lambda mark: columns[mark])
    return best if columns[best] > 1 else None


def _chunks(part: Path, log: Log) -> Iterator[pa.Table]:
    if kind_of(part) in SEPARATORS:
        yield from _csv_chunks(part, log)
        return
    try:
        yield from map(_table_of, pq.ParquetFile(part).iter_batches(CHUNK))
    except (pa.ArrowException, OSError) as error:
        raise LogError(
            f"{part}: cannot be read as parquet ({' '.join(str(error).split())[:300]}), give a whole file"
        ) from None


def _table_of(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch]).replace_schema_metadata(None)


def _separator(part: Path, log: Log) -> str:
    return log.separator or SEPARATORS[kind_of(part)]


def _is_atomic(part: Path) -> bool:
    return kind_of(part) in ATOMIC


def _header(part: Path, log: Log) -> list[str]:
    columns, _ = read_csv(part, _separator(part, log), log.encoding, compression_of(part), NOTHING, _is_atomic(part))
    return list(columns)


def _csv_chunks(part: Path, log: Log) -> Iterator[pa.Table]:
    columns = _header(part, log)
    doubled = next((name for name in columns if columns.count(name) > 1), None)
    if doubled is not None:
        raise LogError(f"{part}: has two columns named {doubled!r}: rename one of them")
    encoding = "utf-8-sig" if log.encoding.lower() in ("utf-8", "utf8") else log.encoding
    try:
        stream: Any = pa.input_stream(str(part), compression=compression_of(part))
        with io.TextIOWrapper(stream, encoding, newline="") as text:
            read = csv.reader(text, delimiter=_separator(part, log), quoting=quoting_of(_is_atomic(part)))
            rows = (row for row in read if row)
            next(rows, None)
            while chunk := list(islice(rows, CHUNK)):
                for row in chunk:
                    _require_fields(part, row, columns)
                fields = zip(*chunk, strict=False)
                arrays = [pa.array(values, pa.string()) for values in islice(fields, len(columns))]
                yield pa.table([_without_blanks(array) for array in arrays], columns)
    except UnicodeError:
        raise LogError(f"{part}: is not in {log.encoding}: say --encoding latin-1, cp1252 or what it is in") from None
    except (csv.Error, pa.ArrowException, OSError) as error:
        raise LogError(f"{part}: cannot be read as csv ({' '.join(str(error).split())}), give a whole file") from None


def _require_fields(part: Path, row: list[str], columns: list[str]) -> None:
    if len(row) != len(columns) and not (len(row) == len(columns) + 1 and row[-1] == ""):
        raise LogError(
            f"{part}: a row has {len(row)} fields, the header {len(columns)} (it begins with {row[0][:40]!r}): quote "
            "fields that contain the separator, or clean the row"
        )


def _without_blanks(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
