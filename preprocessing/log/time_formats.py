"""Usual formats of times, for remedies that work: a format is proposed to the user, never chosen."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
MORE_DATES = ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y")
CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", "T%H:%M:%S%z"),
    *(" %H:%M:%S UTC", " %H:%M UTC", " %H:%M:%S %z", " %H:%M %z", "T%H%M%S", "T%H%M%SZ"),
)
DIGITS = ("%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%y%m%d", "%y%m%d%H%M", "%y%m%d%H%M%S")
FIRST_YEAR = 1980
FIRST, MOST = 200, 20_000


def formats_of(column: pa.ChunkedArray) -> list[str]:
    """Return the usual formats that read the first `MOST` different values of a column of texts."""
    found = [date + clock for date, clock in itertools.product(DATES + MORE_DATES, CLOCKS)]
    found = _reading(found, column.slice(0, FIRST).to_pylist())
    return _reading(found, column.unique().slice(0, MOST).to_pylist()) if found else []


def digit_formats_of(column: pa.ChunkedArray) -> list[str]:
    """Return the formats without separators that read every value of a column of digits as a date since 1980."""
    values = column.unique().slice(0, MOST).to_pylist()
    latest = datetime.now() + timedelta(days=1)
    found = [each for each in DIGITS if all(len(value) == _width(each) for value in values[:FIRST])]
    return [each for each in _reading(found, values) if _is_likely(each, values, latest)]


def _width(digits: str) -> int:
    return 2 * digits.count("%") + 2 * digits.count("%Y")


def _is_likely(digits: str, values: list[str], latest: datetime) -> bool:
    years = (datetime.strptime(value, digits) for value in (min(values), max(values)))
    return all(each.year >= FIRST_YEAR and each < latest for each in years)


def _reading(formats: list[str], values: list[str]) -> list[str]:
    for value in values:
        formats = [each for each in formats if _reads(each, value)]
        if not formats:
            break
    return formats


def _reads(text_format: str, value: str) -> bool:
    try:
        datetime.strptime(value, text_format)
    except ValueError:
        return False
    return True
