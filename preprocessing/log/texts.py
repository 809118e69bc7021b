"""Columns of texts as written: ids, categories, words.

A column has its own Arrow type (text in a CSV file). Integers and decimals are read digit by digit, bytes as
UTF-8, nothing through a float. A value with two possible texts is refused, and the message names the column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.log.errors import LogError
from preprocessing.log_layout import Log

Column = np.ndarray[Any, np.dtype[Any]]
LARGEST_EXACT_FLOAT = 2**53
TWO_TEXTS = "which has more than one text: write ids and categories as text or whole numbers in the log"


@dataclass(frozen=True)
class Texts:
    """A column of N texts: `codes` [N] int64 are positions in `values` [U] object, each once; -1 is null."""

    codes: Column
    values: Column

    @property
    def nulls(self) -> int:
        return int((self.codes < 0).sum())

    def sorted(self) -> Texts:
        """Return the column with `values` in the order of code points, and only those that occur."""
        seen = np.unique(self.codes)
        seen = seen[seen >= 0]
        order = seen[np.argsort(self.values[seen], kind="stable")]
        place = np.full(len(self.values) + 1, -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        return Texts(place[self.codes], self.values[order])

    def objects(self) -> Column:
        """Return [N] of str and None; equal texts are one object."""
        return np.append(self.values, np.array([None], dtype=object))[self.codes]


def texts(column: pa.ChunkedArray, name: str, log: Log) -> Texts:
    """Read a column as texts: integers and decimals digit by digit, bytes as UTF-8; "" and `null_values` are null."""
    coded = _coded(column, name)
    values = _as_text(coded.dictionary, name)
    none = pc.or_(pc.is_null(values), pc.is_in(values, value_set=pa.array(["", *log.null_values])))
    unique = pc.if_else(none, pa.scalar(None, pa.string()), values).dictionary_encode()
    _refuse_nul(unique.dictionary, name)
    place = np.append(unique.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), -1)
    codes = coded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Texts(place[codes], unique.dictionary.to_numpy(zero_copy_only=False))


def _coded(column: pa.ChunkedArray, name: str) -> pa.DictionaryArray:
    if column.type == pa.null():
        column = column.cast(pa.string())
    if not pa.types.is_dictionary(column.type):
        try:
            column = column.dictionary_encode()
        except pa.ArrowNotImplementedError:
            raise wrong_type(column.type, name) from None
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # combine_chunks of no chunk, or of one
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array


def _as_text(values: pa.Array, name: str) -> pa.Array:
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return _as_text(values.storage, name)
    if pa.types.is_floating(kind):
        values = whole_floats(values, name, TWO_TEXTS)
    elif pa.types.is_decimal(kind):
        return pa.array([None if value is None else format(value, "f") for value in values.to_pylist()], pa.string())
    elif pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        raise wrong_type(kind, name)
    if pa.types.is_temporal(kind):
        _refuse_infinite(values, name)
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        raise _not_utf8(name) from None
    except pa.ArrowNotImplementedError:
        raise wrong_type(kind, name) from None


def whole_floats(values: pa.Array, name: str, refusal: str) -> pa.Array:
    """Read floats that are whole numbers, as pandas makes of integers next to nulls; NaN is null.

    Raises:
        LogError: A float has a fraction or is beyond 2^53; `refusal` is the meaning of that and the remedy.

    """
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    bad = known[(known % 1 != 0) | (np.abs(known) >= LARGEST_EXACT_FLOAT)]
    if len(bad):
        raise LogError(f"column {name!r} holds the float {bad[0]!r}, {refusal}")
    return pa.array(np.nan_to_num(numbers).astype(np.int64), mask=np.isnan(numbers))


def _refuse_infinite(values: pa.Array, name: str) -> None:
    """Refuse times that Arrow cannot write as text, or writes wrongly with a zone."""
    kind = values.type
    clock = values.cast(pa.timestamp(kind.unit)) if pa.types.is_timestamp(kind) else values
    if pc.any(pc.starts_with(clock.cast(pa.string()), "<value out of range")).as_py():
        raise LogError(
            f"column {name!r} ({kind}) has infinity, a year beyond 32767 or the time 24:00, which have no text: "
            "write it as null or as a text"
        )


def wrong_type(kind: pa.DataType, name: str) -> LogError:
    return LogError(
        f"column {name!r} is {kind}, which is not text, a number or a time: cast it in the program that writes the log"
    )


def _not_utf8(name: str) -> LogError:
    return LogError(f"column {name!r} has bytes that are not UTF-8: write it as text, such as hex")


def _refuse_nul(values: pa.Array, name: str) -> None:
    holds = pc.match_substring(values, "\0")
    if pc.any(holds).as_py():
        seen = values.filter(holds)[0].as_py()
        raise LogError(
            f"column {name!r} has a NUL character in {seen!r}, at which NVIDIA's server cuts a text: clean the column"
        )


def is_textual(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def plain_texts(column: pa.ChunkedArray, name: str, log: Log) -> pa.ChunkedArray:
    """Return a text column with trimmed values and the nulls of `log`; not coded, for mostly different values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    try:
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    except pa.ArrowInvalid:
        raise _not_utf8(name) from None
    none = pc.is_in(column, value_set=pa.array(["", *log.null_values]))
    return pc.if_else(none, pa.scalar(None, pa.string()), column)


def refuse_unlike(column: pa.ChunkedArray, pattern: str, name: str, what: str, remedy: str) -> None:
    """Refuse a text column with values that `pattern` does not match; the message has the first one and their count."""
    unlike = pc.invert(pc.match_substring_regex(column, pattern))
    count = pc.sum(unlike).as_py() or 0
    if count:
        seen = column.filter(unlike)[0].as_py()
        raise LogError(f"column {name!r}: {seen!r} is {what} ({count} such rows), {remedy}")
