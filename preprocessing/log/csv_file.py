"""One CSV file with every cell as text: no cell becomes a number, a date or a null, except that empty is null."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from preprocessing.log.errors import LogError
from preprocessing.log.tables import Wanted

if TYPE_CHECKING:
    import pyarrow as pa

HEAD_BYTES = 1 << 20
BLOCK_BYTES = 1 << 23
SPARE = "\0spare"
ATOMIC_TYPES = ("token", "token_seq", "float", "float_seq")
SEPARATOR_LINE = re.compile(r'"?sep=.?"?[,;]*', re.IGNORECASE)
MAGIC = {
    b"\x1f\x8b": "is gzip: name it .csv.gz",
    b"PAR1": "is Parquet: name it .parquet",
    b"PK\x03\x04": "is a spreadsheet or a zip: export it as CSV",
    codecs.BOM_UTF32_LE: "is UTF-32: write it as UTF-8",
}
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_csv(
    path: Path, separator: str, encoding: str, compression: str | None, wanted: Wanted, atomic: bool = False
) -> tuple[Sequence[str], pa.Table]:
    """Read the wanted columns of a CSV file with a header; texts that repeat are dictionary-encoded.

    atomic: a file of RecBole, without quotes; the type after a column's name is dropped.

    Raises:
        LogError: The file is empty or not in `encoding`, or a row has another number of fields than the header.

    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    blank, columns, fields = _head(path, separator, encoding, compression, atomic)
    columns = [_plain_name(column) for column in columns] if atomic else columns
    spare = (
        [SPARE] if fields == len(columns) + 1 else []
    )  # every line may end with one separator more than the header has
    chosen = [column for column in wanted.columns if columns.count(column) == 1]
    if not chosen:
        return columns, pa.table({})
    types = {
        column: pa.string() if column in wanted.plain else pa.dictionary(pa.int32(), pa.string()) for column in chosen
    }
    try:
        with pa.OSFile(str(path)) as file:
            table = arrow.read_csv(
                pa.CompressedInputStream(file, compression) if compression else file,
                read_options=arrow.ReadOptions(
                    # Columns are addressed by position: a header may have a name twice.
                    column_names=[str(place) for place in range(len(columns))] + spare,
                    skip_rows=blank,
                    skip_rows_after_names=1,
                    block_size=BLOCK_BYTES,
                    encoding=encoding,
                ),
                parse_options=arrow.ParseOptions(
                    delimiter=separator, newlines_in_values=not atomic, quote_char=False if atomic else '"'
                ),
                convert_options=arrow.ConvertOptions(
                    include_columns=[str(columns.index(column)) for column in chosen] + spare,
                    column_types={
                        **{str(columns.index(name)): kind for name, kind in types.items()},
                        SPARE: pa.string(),
                    },
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _refusal(path, encoding, len(columns), error) from None
    if spare:
        _require_empty(path, columns, table[SPARE])
        table = table.drop_columns(spare)
    return columns, table.rename_columns(chosen)


def quoting_of(atomic: bool) -> Literal[0, 3]:
    """Return the csv module's rule for quotes, which RecBole's files do not have."""
    return csv.QUOTE_NONE if atomic else csv.QUOTE_MINIMAL


def _plain_name(column: str) -> str:
    name, _, kind = column.rpartition(":")
    return name if kind in ATOMIC_TYPES else column


def _head(
    path: Path, separator: str, encoding: str, compression: str | None, atomic: bool
) -> tuple[int, list[str], int]:
    """Return the number of blank lines before the header, its names, and the number of fields of the first row."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        stream: Any = pa.CompressedInputStream(file, compression) if compression else file
        begin = stream.read(HEAD_BYTES)
    if not begin.strip():
        raise LogError(f"{path}: is empty, give a log with a header and interactions")
    if kind := next((words for magic, words in MAGIC.items() if begin.startswith(magic)), None):
        raise LogError(f"{path}: {kind}")
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if begin.startswith(mark)), None)
    if marked == "utf-16" and not encoding.lower().replace("_", "-").startswith("utf-16"):
        raise LogError(f"{path}: begins like UTF-16 but is read as {encoding}: say --encoding utf-16 (log.encoding)")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(begin)
    except (LookupError, ValueError, TypeError) as error:
        if isinstance(error, UnicodeError):
            raise _not_in(path, encoding) from None
        raise LogError(f"--encoding {encoding} (log.encoding): is not an encoding, give one such as latin-1") from None
    _refuse_separator_line(path, text)
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    reader = csv.reader(lines, delimiter=separator, quoting=quoting_of(atomic))
    try:
        rows = list(islice((row for row in reader if row), 2))
    except csv.Error as error:
        raise LogError(f"{path}: cannot be read as csv ({error}): clean its first rows") from None
    if not rows:
        raise LogError(f"{path}: is empty, give a log with a header and interactions")
    blank = next(number for number, line in enumerate(io.StringIO(text.removeprefix("\ufeff"))) if line.strip())
    return blank, rows[0], len(rows[-1])


def _refuse_separator_line(path: Path, text: str) -> None:
    """Refuse the line that declares the separator for Excel, which would be read as the header."""
    first = text.removeprefix("\ufeff").lstrip("\r\n").partition("\n")[0].strip()
    if SEPARATOR_LINE.fullmatch(first):
        raise LogError(f"{path}: begins with {first!r}, which is only for spreadsheets: remove that line")


def _not_in(path: Path, encoding: str) -> LogError:
    return LogError(
        f"{path}: is not in {encoding}: say what it is in, such as --encoding latin-1 or cp1252 (log.encoding)"
    )


def _refusal(path: Path, encoding: str, columns: int, error: Exception) -> LogError:
    reason = " ".join(str(error).split())
    if isinstance(error, UnicodeError) or "invalid UTF8" in reason:
        return _not_in(path, encoding)
    if "Expected" in reason and "columns" in reason:
        seen = reason.partition("Expected")[2][:160]
        return LogError(
            f"{path}: a row has another number of fields than the header's {columns} (expected{seen}): "
            "quote fields that contain the separator, or clean the row"
        )
    return LogError(f"{path}: cannot be read as csv ({reason[:300]}), give a whole file")


def _require_empty(path: Path, columns: Sequence[str], spare: pa.ChunkedArray) -> None:
    if spare.null_count < len(spare):
        seen = spare.drop_null()[0].as_py()
        raise LogError(
            f"{path}: rows have one field more than the header's {len(columns)}, such as {seen!r}: name the last "
            "column in the header, or quote fields that contain the separator"
        )
