"""Columns of texts as they were written: ids, categories, words.

A column comes in its own Arrow type, a CSV file's as text; integers and decimals are read digit by digit, bytes as
UTF-8, nothing through a float. What has two readings is refused by the column's name.
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
TWO_TEXTS = "which has more than one text: write ids and categories as text or whole numbers where the log is made"


@dataclass(frozen=True)
class Texts:
    """A column of N texts: `codes` [N] int64 are places in `values` [U] object, each once; -1 is null."""

    codes: Column
    values: Column

    @property
    def nulls(self) -> int:
        return int((self.codes < 0).sum())

    def sorted(self) -> Texts:
        """The same with `values` in the order of their code points, and only those that occur."""
        seen = np.unique(self.codes)
        seen = seen[seen >= 0]
        order = seen[np.argsort(self.values[seen], kind="stable")]
        place = np.full(len(self.values) + 1, -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        return Texts(place[self.codes], self.values[order])

    def objects(self) -> Column:
        """[N] of str and None; equal texts are one object."""
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
    if isinstance(array, pa.ChunkedArray):  # combine_chunks of no chunk at all, or of one
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
    """Read floats that stand for whole numbers, as pandas makes of integers next to nulls; NaN is null.

    Raises:
        LogError: A float has a fraction or is beyond 2^53; `refusal` says what that means, and the remedy.

    """
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    bad = known[(known % 1 != 0) | (np.abs(known) >= LARGEST_EXACT_FLOAT)]
    if len(bad):
        raise LogError(f"column {name!r} holds the float {bad[0]!r}, {refusal}")
    return pa.array(np.nan_to_num(numbers).astype(np.int64), mask=np.isnan(numbers))


def _refuse_infinite(values: pa.Array, name: str) -> None:
    """Refuse times for which Arrow writes an apology, or of a zone something else."""
    kind = values.type
    clock = values.cast(pa.timestamp(kind.unit)) if pa.types.is_timestamp(kind) else values
    if pc.any(pc.starts_with(clock.cast(pa.string()), "<value out of range")).as_py():
        raise LogError(
            f"column {name!r} ({kind}) holds infinity, a year beyond 32767 or the time 24:00, which have no text: "
            "make it null or a text where the log is made"
        )


def wrong_type(kind: pa.DataType, name: str) -> LogError:
    return LogError(f"column {name!r} is {kind}, which is no text, number or time: cast it where the log is made")


def _not_utf8(name: str) -> LogError:
    return LogError(
        f"column {name!r} holds bytes that are not UTF-8: write it as text where the log is made, such as hex"
    )


def _refuse_nul(values: pa.Array, name: str) -> None:
    holds = pc.match_substring(values, "\0")
    if pc.any(holds).as_py():
        seen = values.filter(holds)[0].as_py()
        raise LogError(
            f"column {name!r} holds a NUL character in {seen!r}, at which NVIDIA's server cuts a text: clean the column"
        )


def is_textual(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def plain_texts(column: pa.ChunkedArray, name: str, log: Log) -> pa.ChunkedArray:
    """Trim a textual column, nulls where `log` says so; not coded, for columns whose values are mostly different."""
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
    """Refuse a textual column with a value that `pattern` does not match, by the first such value and their count."""
    unlike = pc.invert(pc.match_substring_regex(column, pattern))
    count = pc.sum(unlike).as_py() or 0
    if count:
        seen = column.filter(unlike)[0].as_py()
        raise LogError(f"column {name!r}: {seen!r} is {what} ({count} such rows), {remedy}")
