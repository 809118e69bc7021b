"""Text files with one session or one user per line, as many published session logs are.

    214 87 214 5        items separated by blanks, tabs or commas, oldest first
    u7 214 87 5         the same with the user in front, if `log.columns.user` is `user`

A file has no header. Its table has the columns `item`, `line` (the number of the line, from 1), `place` (the number of
the item in the whole file, so it orders the log) and, as described, `user`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from preprocessing.log.errors import LogError
from preprocessing.log.tables import RawTable
from preprocessing.log_layout import Log

SEPARATORS = re.compile(r"[\s,]+")
USER = "user"


def read_lines(path: Path, name: str, log: Log, compression: str | None, places: int = 0) -> RawTable:
    """Read a file of lines; `places` is the number of items before it, and blank lines are skipped.

    Raises:
        LogError: There is no such file, it is not in `log.encoding`, or a line has a user and no item.

    """
    if not path.is_file():
        raise LogError(f"{path}: is not a file: a log of lines is one text file, with one session or user per line")
    with_user = log.columns.user == USER
    users: list[str] = []
    items: list[str] = []
    numbers: list[int] = []
    try:
        stream: Any = pa.input_stream(str(path), compression=compression)
        with stream:
            text = stream.read().decode(log.encoding).removeprefix("\ufeff")
    except (LookupError, UnicodeError):
        raise LogError(
            f"{path}: is not in {log.encoding}: say what it is in, such as --encoding latin-1 (log.encoding)"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{path}: cannot be read ({' '.join(str(error).split())[:300]}), give a whole file") from None
    for number, line in enumerate(text.split("\n"), 1):
        fields = _fields(line, log.separator)
        if not fields:
            continue
        if with_user:
            user, *fields = fields
            if not fields:
                raise LogError(f"{path}: line {number:,} has the user {user!r} and no item: remove the line")
            users += [user] * len(fields)
        items += fields
        numbers += [number] * len(fields)
    columns = {
        "item": pa.array(items, pa.string()),
        "line": pa.array(numbers, pa.int64()),
        "place": pa.array(range(places + 1, places + len(items) + 1), pa.int64()),
    }
    if with_user:
        columns[USER] = pa.array(users, pa.string())
    return RawTable(name, pa.table(columns), tuple(columns))


def _fields(line: str, separator: str | None) -> list[str]:
    parts = SEPARATORS.split(line) if separator is None else line.split(separator)
    return [field for part in parts if (field := part.strip())]
