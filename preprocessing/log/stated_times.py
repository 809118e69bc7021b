"""Times in text of a stated strptime format, which every row must match to the character."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.log.errors import LogError
from preprocessing.log.texts import texts
from preprocessing.log_layout import Log

Column = np.ndarray[Any, np.dtype[Any]]

_TWO = "[0-9]{1,2}"
_PATTERNS = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "m": _TWO, "d": _TWO, "H": _TWO, "I": _TWO, "M": _TWO, "S": _TWO,
    "f": "[0-9]{1,9}", "j": "[0-9]{1,3}", "p": "[A-Za-z.]{2,4}", "z": "(Z|[+-][0-9]{2}:?[0-9]{2})",
    "b": r"\pL+\.?", "B": r"\pL+", "a": r"\pL+\.?", "A": r"\pL+", "%": "%",
}  # fmt: skip
_DATES = ({"Y", "m", "d"}, {"y", "m", "d"}, {"Y", "b", "d"}, {"y", "b", "d"}, {"Y", "j"}, {"y", "j"})
_OF_UTC = ("UTC", "GMT", "Z")


def read_stated(column: pa.ChunkedArray, name: str, log: Log) -> tuple[Column, bool]:
    """Return texts in `log.time_format` as nanoseconds, [N] int64, and whether they are instants of UTC.

    They are instants of UTC if the format has `%z` or ends in the letters UTC, GMT or Z; else they are local.
    """
    import pandas as pd

    stated = str(log.time_format)
    pattern = _pattern_of(stated)
    coded = texts(column, name, log)
    values = pa.array(coded.values, pa.string())
    unlike = pc.invert(pc.match_substring_regex(values, pattern))
    if pc.any(unlike).as_py():
        code = pc.index(unlike, True).as_py()
        row = int(np.flatnonzero(coded.codes == code)[0]) + 1
        raise LogError(
            f"column {name!r} (time): {coded.values[code]!r} (row {row:,}) does not have the format {stated!r}: "
            "give the --time-format that every row has, as in strptime"
        )
    has_offset = "%z" in stated
    try:
        parsed = pd.to_datetime(pd.Series(coded.values), format=stated, exact=True, utc=has_offset or None)
    except (ValueError, TypeError, OverflowError) as error:
        raise LogError(
            f"column {name!r} (time), read as {stated!r}: {' '.join(str(error).split())}: "
            "clean the column, or give the --time-format that every row has"
        ) from None
    local = parsed.dt.tz_localize(None) if has_offset else parsed
    nanoseconds: Column = local.to_numpy().astype("datetime64[ns]").astype(np.int64)[coded.codes]
    return nanoseconds, has_offset or stated.endswith(_OF_UTC)


def _pattern_of(stated: str) -> str:
    """Return the regular expression of a format; adjacent directives have two digits each."""
    parts = re.findall(r"%.|[^%]+|%$", stated)
    pattern, seen = "", set()
    for place, part in enumerate(parts):
        if not part.startswith("%"):
            pattern += re.escape(part)
            continue
        letter = part[1:]
        if letter not in _PATTERNS:
            known = ", ".join(f"%{each}" for each in _PATTERNS)
            hint = "write offsets from UTC, %z" if letter == "Z" else f"use {known}"
            raise LogError(f"--time-format {stated!r} (log.time_format): {part} is not supported: {hint}")
        seen.add("b" if letter == "B" else letter)
        touches = any(0 <= other < len(parts) and parts[other].startswith("%") for other in (place - 1, place + 1))
        pattern += "[0-9]{2}" if touches and _PATTERNS[letter] == _TWO else _PATTERNS[letter]
    if not any(needed <= seen for needed in _DATES):
        raise LogError(
            f"--time-format {stated!r} (log.time_format): has no complete date: give year, month and day, "
            'such as "%d/%m/%Y %H:%M"'
        )
    return f"^{pattern}$"
