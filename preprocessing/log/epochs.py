"""Times that count seconds, or parts of one, since 1970-01-01 UTC; exact to the nanosecond."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.log.errors import LogError
from preprocessing.log.numbers import NUMBER, WHOLE_NUMBER, is_numeric, whole_numbers
from preprocessing.log.texts import LARGEST_EXACT_FLOAT, is_textual, refuse_unlike
from preprocessing.log.time_formats import digit_formats_of
from preprocessing.log_layout import Log

Column = np.ndarray[Any, np.dtype[Any]]
Unit = Literal["s", "ms", "us", "ns"]


class EpochUnit(NamedTuple):
    """`factor`: nanoseconds of one."""

    factor: int
    words: str


EPOCH_UNITS: dict[str, EpochUnit] = {
    "s": EpochUnit(10**9, "seconds since 1970"),
    "ms": EpochUnit(10**6, "milliseconds since 1970"),
    "us": EpochUnit(10**3, "microseconds since 1970"),
    "ns": EpochUnit(1, "nanoseconds since 1970"),
}
LIKELY_FIRST_S, DAY_S = 315_532_800, 86_400  # 1980-01-01
MOST = 2**63 - 1


def is_number(column: pa.ChunkedArray) -> bool:
    """Return whether every value is a whole number, written or stored."""
    kind = column.type
    if is_textual(kind):
        return bool(pc.all(pc.match_substring_regex(column, WHOLE_NUMBER)).as_py())
    return is_numeric(kind)


def epoch_unit(column: pa.ChunkedArray, name: str, log: Log) -> Unit:
    """Return the only unit in which all of `column` lies between 1980 and today.

    Raises:
        LogError: There is no such unit, or the digits may also be dates, such as 20230213.

    """
    remedy = "say --time-unit s, ms, us or ns (log.time_unit in the schema), or order if they only order the log"
    try:
        numbers = whole_numbers(column, name, log)
    except LogError:
        raise LogError(f"column {name!r} (time) holds numbers: {remedy}") from None
    ends = pc.min_max(numbers).as_py()
    if dates := digit_formats_of(numbers.cast(pa.string())):
        ways = " or ".join(f'"{each}"' for each in dates)
        raise LogError(
            f"column {name!r} (time) holds numbers ({ends['min']} to {ends['max']}) that read as dates: "
            f"say --time-format {ways} (log.time_format), or else --time-unit s, ms, us, ns or order"
        )
    last_s = int(time.time()) + DAY_S  # a log has no times in the future
    for unit, (factor, _) in EPOCH_UNITS.items():
        scale = 10**9 // factor
        if LIKELY_FIRST_S * scale <= ends["min"] <= ends["max"] < last_s * scale:
            return unit  # type: ignore[return-value]
    raise LogError(f"column {name!r} (time) holds numbers ({ends['min']} to {ends['max']}): {remedy}")


def epochs(column: pa.ChunkedArray, name: str, log: Log, unit: str) -> Column:
    """Read numbers of `unit` since 1970 as nanoseconds, [N] int64."""
    kind, factor = column.type, EPOCH_UNITS[unit].factor
    if pa.types.is_floating(kind):
        return _of_floats(column, name, factor)
    if pa.types.is_decimal(kind) and kind.scale > 0:
        column = column.cast(pa.string())
    if is_textual(column.type):
        if not is_number(column):
            return _of_decimals(column, name, factor)
    elif not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise LogError(f"column {name!r} (time) is {kind}, not numbers: leave out --time-unit (log.time_unit)")
    values = whole_numbers(column, name, log)
    ends = pc.min_max(values).as_py()
    _require_in_range(ends["min"] * factor, ends["max"] * factor, name, unit)
    nanoseconds: Column = values.to_numpy() * np.int64(factor)
    return nanoseconds


def _require_in_range(low: int, high: int, name: str, unit: str) -> None:
    if low < -MOST or high > MOST:
        raise LogError(
            f"column {name!r} (time) reaches beyond the years 1678 to 2261 as {EPOCH_UNITS[unit].words}: "
            "say another --time-unit (log.time_unit)"
        )


def _of_decimals(column: pa.ChunkedArray, name: str, factor: int) -> Column:
    """Return numbers with a fraction as nanoseconds, digit by digit."""
    refuse_unlike(column, NUMBER, name, "no number", "clean the column, or leave out --time-unit (log.time_unit)")
    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    values = []
    for text in coded.dictionary.to_pylist():
        try:
            exact = Decimal(text) * factor
            whole = int(exact)
        except (ArithmeticError, ValueError):
            exact, whole = Decimal(0), MOST + 1
        if exact != whole or abs(whole) > MOST:
            raise LogError(
                f"column {name!r} (time): {text!r} is finer than a nanosecond or beyond the years 1678 to 2261: "
                "clean the column, or say another --time-unit (log.time_unit)"
            )
        values.append(whole)
    nanoseconds: Column = np.array(values, dtype=np.int64)[coded.indices.to_numpy()]
    return nanoseconds


def _of_floats(column: pa.ChunkedArray, name: str, factor: int) -> Column:
    values = column.cast(pa.float64()).to_numpy()
    largest = np.abs(values).max()
    if largest >= LARGEST_EXACT_FLOAT or largest * factor > MOST:
        raise LogError(
            f"column {name!r} (time) holds floats up to {largest:g}, whose last digits are lost or which are beyond "
            "the years 1678 to 2261: write whole numbers, or say another --time-unit (log.time_unit)"
        )
    whole = np.floor(values)
    nanoseconds: Column = whole.astype(np.int64) * factor + np.rint((values - whole) * factor).astype(np.int64)
    return nanoseconds
