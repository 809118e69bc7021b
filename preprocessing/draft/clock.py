"""Readings of a time column: the keys of `[log]` that read it, or the formats to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.log.epochs import epoch_unit, is_number
from preprocessing.log.errors import LogError
from preprocessing.log.numbers import is_numeric, whole_numbers
from preprocessing.log.texts import is_textual, plain_texts
from preprocessing.log.time_formats import formats_of
from preprocessing.log.times import Times, read_times
from preprocessing.log_layout import Log


@dataclass(frozen=True)
class Clock:
    """A reading of a time column.

    Attributes:
        keys: Keys of `[log]` that make it.
        words: What was found.
        choices: Formats that also read the column; the user has to choose one.
        times: The times; None if there is a choice, if they are only an order, or if no format reads them.

    """

    keys: dict[str, str]
    words: str
    choices: tuple[str, ...] = ()
    times: Times | None = None

    @property
    def reads(self) -> bool:
        return bool(self.times or self.choices)

    @property
    def is_order(self) -> bool:
        return self.keys.get("time_unit") == "order"


def clock_of(column: pa.ChunkedArray, name: str, log: Log) -> Clock:
    """Return a reading of `column` as times: the one that `log` states, else one of the usual formats."""
    if log.time_unit == "order":
        return Clock({"time_unit": "order"}, "only an order")
    try:
        clock = _read(column, name, log)
    except LogError as error:
        return _other_reading(column, name, log) or Clock({}, str(error))
    stated = log.time_unit != "timestamp" or log.time_format is not None
    if not stated and (is_numeric(column.type) or (is_textual(column.type) and is_number(column))):
        return Clock({"time_unit": epoch_unit(column, name, log)}, clock.words, (), clock.times)
    return clock


def _read(column: pa.ChunkedArray, name: str, log: Log, **keys: Any) -> Clock:
    times = read_times(column, name, log.model_copy(update=keys))
    first, last = (str(end.astype("M8[s]")).replace("T", " ") for end in (times.local.min(), times.local.max()))
    return Clock(keys, f"from {first} to {last}", (), times)


def _other_reading(column: pa.ChunkedArray, name: str, log: Log) -> Clock | None:
    if log.time_unit != "timestamp" or log.time_format:
        return None
    try:
        written = plain_texts(column.cast(pa.string()), name, log).drop_null()
        formats = _formats(written) if len(written) else []
        if len(formats) > 1:
            return Clock({}, "the times read in more than one way", tuple(formats))
        if formats:
            return _read(column, name, log, time_format=formats[0])
        whole_numbers(column, name, log)
    except (LogError, pa.ArrowException):
        return None
    return Clock({"time_unit": "order"}, "whole numbers that are not dates: taken as an order")


def _formats(written: pa.ChunkedArray) -> list[str]:
    """Return the usual formats that read all of a column; digits alone are a date only if there are eight."""
    digits = bool(pc.all(pc.match_substring_regex(written, "^[0-9]+$")).as_py())
    dates = bool(pc.all(pc.match_substring_regex(written, "^[12][0-9]{7}$")).as_py())
    return [] if digits and not dates else formats_of(written)
