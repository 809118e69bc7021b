"""Tables in files: one file or a folder of part files, CSV or Parquet, plain or compressed."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preprocessing.log.errors import LogError
from preprocessing.log.tables import RawTable, Wanted
from preprocessing.log_layout import Log

if TYPE_CHECKING:
    import pyarrow as pa

ATOMIC = (".inter", ".item", ".user")
"""RecBole's atomic files: tab-separated, without quotes, with typed names such as `user_id:token` in the header."""
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
SEPARATORS = {".csv": ",", ".tsv": "\t", **dict.fromkeys(ATOMIC, "\t")}
PARQUET = (".parquet", ".pq")
KINDS = "a .parquet, .csv, .tsv or .inter file (CSV also as .gz, .bz2, .zst, .lz4)"


def kind_of(path: Path) -> str:
    """Return a file's kind, such as ".csv", for a name in any case, compressed or not; "" is an unknown kind."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    ending = suffixes[-1] if suffixes else ""
    return ".parquet" if ending in PARQUET else ending if ending in SEPARATORS else ""


def compression_of(path: Path) -> str | None:
    """Return the compression of a file, by its name."""
    return COMPRESSED.get(path.suffix.lower())


def find_log(source: Path, named: str | None = None) -> Path:
    """Return the log that `source` names: the path itself, or a file in a folder.

    This is the file `named` if it is given, else `interactions`, else the only `.inter` file, else the folder itself.
    """
    if not source.is_dir():
        return source
    if named is not None:
        return file_named(source, named)
    found = sorted(path for path in source.iterdir() if path.name.split(".")[0] == "interactions" and _is_table(path))
    if len(found) > 1:
        raise LogError(f"{source}: contains {found[0].name} and {found[1].name}, give the path of the one to read")
    if found:
        return found[0]
    if len(atomic := sorted(source.glob("*.inter"))) == 1:
        return atomic[0]
    part_files(source)
    return source


def file_named(folder: Path, name: str) -> Path:
    """Return the only file or folder of `folder` with a name like `name`, in which `*` stands for any text."""
    found = sorted(path for path in folder.iterdir() if fnmatchcase(path.name, name)) if folder.is_dir() else []
    if len(found) != 1:
        seen = f"{found[0].name} and {found[1].name}" if found else "none"
        raise LogError(f"{folder}: expected one file {name!r}, seen {seen}: give the path of the log, or rename it")
    return found[0]


def _is_table(path: Path) -> bool:
    return bool(kind_of(path)) or (path.is_dir() and any(map(kind_of, path.rglob("*"))))


def part_files(path: Path) -> list[Path]:
    """Return the file at `path`, or all files of a folder of part files, in the order of their names.

    Raises:
        LogError: There is no such file, its kind is unknown, or the folder has files of several kinds or of none.

    """
    if not path.exists():
        raise LogError(f"{path}: no such file, give the path of {KINDS}, or a folder of such files")
    if not path.is_dir():
        if not kind_of(path):
            raise LogError(f"{path}: is neither .parquet nor .csv, convert it, or rename it: give {KINDS}")
        return [path]
    # Spark and Hive write files that begin with _ or . next to the parts.
    inside = [part for part in sorted(path.rglob("*")) if part.is_file() and not _is_hidden(part.relative_to(path))]
    parts = [part for part in inside if kind_of(part)]
    if not parts:
        raise LogError(
            f"{path}: no interactions.parquet or interactions.csv in this folder and no part files, give {KINDS}"
        )
    other = next((part for part in inside if kind_of(part) != kind_of(parts[0])), None)
    if other is not None:
        raise LogError(
            f"{path}: {parts[0].name} and {other.name} are not parts of one table: give the path of the one to read"
        )
    return parts


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)


def read_files(path: Path, name: str, wanted: Wanted, log: Log) -> RawTable:
    """Read the wanted columns of the table at `path`; a missing column is refused when it is used."""
    import pyarrow as pa

    parts = part_files(path)
    there, tables = [], []
    for part in parts:
        columns, table = _read_part(part, path, wanted, log)
        there.append(columns)
        # Fields of equal type may be nullable in one part and not in another.
        tables.append(pa.table(dict(zip(table.column_names, table.columns, strict=True))))
    _require_alike(parts, there, wanted)
    try:
        whole = pa.concat_tables(tables)
    except pa.ArrowInvalid:
        raise _unlike_types(parts, tables) from None
    return RawTable(name, whole, tuple(there[0]))


def _require_alike(parts: list[Path], there: list[Sequence[str]], wanted: Wanted) -> None:
    for column in wanted.columns:
        has = [column in columns for columns in there]
        if any(has) and not all(has):
            raise LogError(
                f"no column {column!r} in {parts[has.index(False)]}, {parts[has.index(True)].name} has one: write all "
                "part files with the same columns"
            )


def _unlike_types(parts: list[Path], tables: list[pa.Table]) -> LogError:
    first = tables[0].schema
    for part, table in zip(parts, tables, strict=True):
        for field in first:
            kind = table.schema.field(field.name).type
            if kind != field.type:
                return LogError(
                    f"column {field.name!r} is {field.type} in {parts[0].name} and {kind} in {part.name}: write the "
                    "part files with one type"
                )
    return LogError(f"{parts[0].parent}: the part files have different columns: write them with the same columns")


def _read_part(part: Path, root: Path, wanted: Wanted, log: Log) -> tuple[Sequence[str], pa.Table]:
    """Return the columns of a part, and the table of the wanted ones."""
    import pyarrow as pa

    from preprocessing.log.csv_file import read_csv

    kind = kind_of(part)
    folders = _partition_columns(part, root)
    try:
        if kind == ".parquet":
            columns, table = _read_parquet(part, wanted)
        else:
            separator = log.separator or SEPARATORS[kind]
            columns, table = read_csv(part, separator, log.encoding, compression_of(part), wanted, kind in ATOMIC)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise LogError(f"{part}: cannot be read as {kind[1:]} ({reason}), give a whole file") from None
    for column, value in folders.items():
        if column not in columns and column in wanted.columns:
            table = table.append_column(column, pa.array([value] * len(table), pa.string()))
    return [*columns, *(column for column in folders if column not in columns)], table


def _partition_columns(part: Path, root: Path) -> dict[str, str | None]:
    """Return the columns in the names of Hive's folders, such as `day=2024-01-01`, as text."""
    from urllib.parse import unquote

    pairs = (folder.partition("=") for folder in part.relative_to(root).parts[:-1]) if part != root else ()
    named = {name: unquote(value) for name, equals, value in pairs if equals}
    return {name: None if value == "__HIVE_DEFAULT_PARTITION__" else value for name, value in named.items()}


def _read_parquet(part: Path, wanted: Wanted) -> tuple[Sequence[str], pa.Table]:
    import pyarrow.parquet as pq

    schema: Any = pq.read_schema(part)
    columns = list(schema.names)
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise LogError(f"{part}: has {columns.count(twice)} columns named {twice!r}: rename all but one")
    chosen = [column for column in wanted.columns if columns.count(column) == 1]
    coded = [column for column in chosen if column not in wanted.plain]
    return columns, pq.read_table(part, columns=chosen, read_dictionary=coded, partitioning=None)
