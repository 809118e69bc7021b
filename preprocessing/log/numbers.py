"""Columns of numbers: floats for numeric features, whole numbers digit by digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.log.errors import LogError
from preprocessing.log.texts import is_textual, plain_texts, refuse_unlike, whole_floats
from preprocessing.log_layout import Log

Column = np.ndarray[Any, np.dtype[Any]]

WHOLE_NUMBER = r"^[+-]?[0-9]+$"
NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NOT_WHOLE = "which is not an exact whole number: write whole numbers as integers in the log"
CLEAN = "clean the column, or name the texts that mean null in log.null_values"


def numbers(column: pa.ChunkedArray, name: str, log: Log) -> Column:
    """Read a column as float64, nulls as NaN."""
    kind = column.type
    if is_textual(kind):
        column = _digits(column, name, log)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not (is_numeric(kind) or kind == pa.null()):
        raise LogError(f"column {name!r} is {kind}, which is not a number: cast it in the program that writes the log")
    values: Column = column.cast(pa.float64(), safe=False).to_numpy()
    infinite = np.isinf(values)
    if infinite.any():
        raise LogError(f"column {name!r} contains infinity ({int(infinite.sum())} rows), clean the column")
    return values


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a type is an integer, float or decimal."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _digits(column: pa.ChunkedArray, name: str, log: Log) -> pa.ChunkedArray:
    column = plain_texts(column, name, log)
    pattern = NUMBER.replace(r"\.", ",") if log.decimal == "," else NUMBER
    refuse_unlike(column, pattern, name, "no number", CLEAN)
    if log.decimal == ",":
        column = pc.replace_substring(column, ",", ".")
    return pc.replace_substring_regex(column, r"^\+", "")


def whole_numbers(column: pa.ChunkedArray, name: str, log: Log) -> pa.ChunkedArray:
    """Read a column as int64, digit by digit; nulls are kept.

    Raises:
        LogError: A value is not a whole number, or does not fit into 64 bits.

    """
    kind = column.type
    if is_textual(kind):
        column = plain_texts(column, name, log)
        refuse_unlike(column, WHOLE_NUMBER, name, "no whole number", CLEAN)
        column = pc.replace_substring_regex(column, r"^\+", "")
    elif pa.types.is_floating(kind):
        column = pa.chunked_array([whole_floats(chunk, name, NOT_WHOLE) for chunk in column.chunks], pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise LogError(
            f"column {name!r} is {kind}, which is not a whole number: cast it in the program that writes the log"
        )
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise LogError(f"column {name!r}: {' '.join(str(error).split())}: give whole numbers of 64 bits") from None
