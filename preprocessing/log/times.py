"""Times of a log: the exact instant and the local time of each row, read as the schema says and never guessed.

Dates and times are Arrow's own, or text in ISO 8601 or in a stated format; whole numbers count a stated unit since
1970, or are only an order. Without a stated unit, whole numbers are read as an epoch if exactly one unit gives
dates between 1980 and today.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.log.epochs import EPOCH_UNITS, epoch_unit, epochs, is_number
from preprocessing.log.errors import LogError
from preprocessing.log.numbers import whole_numbers
from preprocessing.log.stated_times import read_stated
from preprocessing.log.texts import is_textual, plain_texts
from preprocessing.log.time_formats import formats_of
from preprocessing.log_layout import Log
from stage.library_errors import Becomes, in_one_line, map_errors

Column = np.ndarray[Any, np.dtype[Any]]

OFFSET = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
CLOCK_AND_OFFSET = r"[T ][0-9]{2}(:?[0-9]{2}.*)?" + OFFSET
FIRST_YEAR, LAST_YEAR = 1678, 2261  # the range of 64 bits of nanoseconds


@dataclass(frozen=True)
class Times:
    """The times of N rows: `instant` [N] int64, nanoseconds of UTC (or the order); `local` [N] datetime64[ns].

    `reading` describes how they were read.
    """

    instant: Column
    local: Column
    reading: str


def read_times(column: pa.ChunkedArray, name: str, log: Log) -> Times:
    """Read a log's time column.

    Raises:
        LogError: A row has no time, or the column contradicts the schema; the remedy names a flag that works.

    """
    if is_textual(column.type):
        column = plain_texts(column, name, log)
    elif pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if missing := column.null_count:
        raise LogError(f"column {name!r} (time): {missing} rows have none, filter them out of the log")
    if log.time_unit == "order":
        order: Column = whole_numbers(column, name, log).to_numpy()
        return Times(order, np.zeros(len(order), dtype="datetime64[ns]"), "an order")
    if log.time_unit != "timestamp":
        return _of_instants(log, epochs(column, name, log, log.time_unit), EPOCH_UNITS[log.time_unit].words)
    if log.time_format:
        return _formatted(column, name, log)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _arrow_times(column, name, log)
    if is_number(column):
        unit = epoch_unit(column, name, log)
        words = f"{EPOCH_UNITS[unit].words}, the only unit that gives dates between 1980 and today"
        return _of_instants(log, epochs(column, name, log, unit), words)
    if is_textual(column.type):
        return _iso(column, name, log)
    raise LogError(f"column {name!r} (time) is {column.type}, which is not a time: write it as a timestamp")


def _arrow_times(column: pa.ChunkedArray, name: str, log: Log) -> Times:
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    try:
        nanoseconds = column.cast(pa.timestamp("ns", zone)).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        raise _out_of_range(name) from None
    if zone is None:
        return _of_a_clock(log, nanoseconds, "dates and times")
    try:
        wall = _wall_of(nanoseconds, zone)
    except Exception:  # pandas raises the error of pytz, dateutil or zoneinfo for an unknown zone
        raise LogError(
            f"column {name!r} (time) has the zone {zone!r}, which is unknown here: write the times in UTC"
        ) from None
    return _of_instants(log, nanoseconds, f"dates and times of {zone}", wall)


def _out_of_range(name: str) -> LogError:
    return LogError(f"column {name!r} (time) has years before {FIRST_YEAR} or after {LAST_YEAR}: clean the column")


def _iso(column: pa.ChunkedArray, name: str, log: Log) -> Times:
    """Read ISO 8601 texts, all with an offset from UTC or none of them."""
    has_offset = pc.match_substring_regex(column, CLOCK_AND_OFFSET)
    with_offset = pc.sum(has_offset).as_py() or 0
    if 0 < with_offset < len(column):
        one = column.filter(has_offset)[0].as_py()
        other = column.filter(pc.invert(has_offset))[0].as_py()
        raise LogError(
            f"column {name!r} (time) mixes times with an offset from UTC ({one!r}) and without ({other!r}): "
            "write all of them the same way"
        )
    wall = pc.replace_substring_regex(column, OFFSET, "") if with_offset else column
    try:
        written = wall.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy()
        if with_offset:
            instant = column.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        raise _not_iso(column, wall, name) from None
    years = pc.utf8_slice_codeunits(column, 0, 4)
    ends = pc.min_max(years).as_py()
    if not str(FIRST_YEAR) <= ends["min"] <= ends["max"] <= str(LAST_YEAR):
        raise _out_of_range(name)
    if with_offset:
        return _of_instants(log, instant, "ISO 8601 with offsets from UTC", written)
    return _of_a_clock(log, written, "ISO 8601")


def _not_iso(column: pa.ChunkedArray, wall: pa.ChunkedArray, name: str) -> LogError:
    """Return an error with the value that is not ISO 8601, and the formats that would read the whole column."""
    bad = 0
    for bad, value in enumerate(wall):  # noqa: B007
        try:
            value.cast(pa.timestamp("ns"))
        except pa.ArrowInvalid:
            break
    seen = column[bad].as_py()
    found = formats_of(column)
    what = f"column {name!r} (time): {seen!r} (row {bad + 1:,}) is not an ISO 8601 time such as 2023-02-13 18:30:00"
    if len(found) > 1:
        ways = " or ".join(f'"{each}"' for each in found)
        return LogError(f"{what}, and the column reads in more than one way: say --time-format {ways}")
    if found:
        return LogError(f'{what}: say --time-format "{found[0]}", which reads the column')
    return LogError(
        f"{what}, and no usual format reads the column: clean the column, or say --time-format as in strptime, "
        "or --time-unit if it has numbers"
    )


def _formatted(column: pa.ChunkedArray, name: str, log: Log) -> Times:
    nanoseconds, are_instants = read_stated(column, name, log)
    reading = f"the format {log.time_format!r}"
    if are_instants:
        return _of_instants(log, nanoseconds, reading)
    return _of_a_clock(log, nanoseconds, reading)


def _of_instants(log: Log, instant: Column, reading: str, written: Column | None = None) -> Times:
    """Return the times of instants of UTC; the local time is that of the schema's zone, else the `written` clock."""
    if log.timezone is None:
        local = instant if written is None else written
        return Times(instant, local.view("datetime64[ns]"), reading)
    import pandas as pd

    return _in_zone(pd.DatetimeIndex(instant.view("datetime64[ns]")).tz_localize("UTC"), log.timezone, reading)


def _of_a_clock(log: Log, wall: Column, reading: str) -> Times:
    """Return the times of a clock without offsets; of an hour that the clock repeats, the first."""
    if log.timezone is None:
        return Times(wall, wall.view("datetime64[ns]"), reading)
    import pandas as pd

    naive = pd.DatetimeIndex(wall.view("datetime64[ns]"))
    first = np.ones(len(naive), dtype=bool)
    zone = log.timezone[0]
    with _known_zones(log.timezone):
        utc = naive.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC")
    return _in_zone(utc, log.timezone, f"{reading} of {zone}")


def _in_zone(utc: Any, zones: tuple[str, str], reading: str) -> Times:
    with _known_zones(zones):
        local = utc.tz_convert(zones[1]).tz_localize(None).to_numpy()
    return Times(utc.asi8, local, f"{reading}, local in {zones[1]}")


def _known_zones(zones: tuple[str, str]) -> AbstractContextManager[None]:
    """Return a block that refuses an unknown zone, for which pandas raises errors of pytz, dateutil or zoneinfo."""

    def unknown(error: Exception) -> LogError:
        return LogError(
            f"log.timezone {list(zones)} (--time-zone): {in_one_line(error)}, give names such as 'Europe/Paris'"
        )

    return map_errors(Becomes(Exception, unknown))


def _wall_of(nanoseconds: Column, zone: str) -> Column:
    import pandas as pd

    utc = pd.DatetimeIndex(nanoseconds.view("datetime64[ns]")).tz_localize("UTC")
    wall: Column = utc.tz_convert(zone).tz_localize(None).asi8
    return wall
