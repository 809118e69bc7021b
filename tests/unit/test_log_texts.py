"""Ids, categories and numbers are what a person wrote, digit by digit, or are refused by the column's name."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from preprocessing.log.errors import LogError
from preprocessing.log.numbers import numbers, whole_numbers
from preprocessing.log.texts import texts
from preprocessing.log_layout import Log

LOG = Log.model_validate({"columns": {"user": "u", "item": "i", "time": "t"}})


def column(values: list[Any], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    """Two chunks, so that codes have to be made one."""
    half = len(values) // 2
    kind = kind or pa.array(values).type
    return pa.chunked_array([pa.array(values[:half], kind), pa.array(values[half:], kind)], kind)


READ: dict[str, tuple[pa.ChunkedArray, list[str | None]]] = {
    "texts": (column(["00123", "123", "1.10", "1.1", "1e3", "NA", "None", "nan", "", None, "é", " a "]), [
        "00123", "123", "1.10", "1.1", "1e3", "NA", "None", "nan", None, None, "é", " a ",
    ]),
    "codes": (column(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None]),
    "codes of a narrow index": (
        column(["a", "b", "a", "c"], pa.dictionary(pa.int8(), pa.string())), ["a", "b", "a", "c"],
    ),
    "bytes": (column([b"p1", "é".encode(), b"", None], pa.binary()), ["p1", "é", None, None]),
    "bytes of one width": (column([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
    "ints beyond 2^53 beside a null": (column([2**53 + 1, None, 2**63 - 1]), [str(2**53 + 1), None, str(2**63 - 1)]),
    "unsigned ints": (column([2**64 - 1, 0], pa.uint64()), [str(2**64 - 1), "0"]),
    "huge ints": (column([Decimal(10**30), Decimal(-7)], pa.decimal128(38, 0)), [str(10**30), "-7"]),
    "decimals": (column([Decimal("1.10"), None], pa.decimal128(9, 2)), ["1.10", None]),
    "small decimals": (
        column([Decimal("0.00000001"), Decimal("0E-8")], pa.decimal128(20, 8)), ["0.00000001", "0.00000000"]
    ),
    "codes of an unsigned index": (
        pa.chunked_array([pa.DictionaryArray.from_arrays(pa.array([0, None, 0], pa.uint8()), ["web"])]),
        ["web", None, "web"],
    ),
    "whole floats": (column([1.0, None, float("nan"), 20.0], pa.float64()), ["1", None, None, "20"]),
    "booleans": (column([True, False]), ["true", "false"]),
    "dates": (column([date(2024, 1, 2), None]), ["2024-01-02", None]),
    "nothing but nulls": (column([None, None], pa.null()), [None, None]),
    "no rows": (pa.chunked_array([], pa.string()), []),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), READ.values(), ids=READ)
def test_a_text_is_what_was_written_whatever_type_carries_it(raw: pa.ChunkedArray, expected: list[str | None]) -> None:
    read = texts(raw, "c", LOG)
    assert read.objects().tolist() == expected
    assert len(set(read.values)) == len(read.values)
    assert read.sorted().objects().tolist() == expected
    assert read.sorted().values.tolist() == sorted({text for text in expected if text is not None})


def infinite(kind: pa.DataType, number: int) -> pa.ChunkedArray:
    """What DuckDB's 'infinity' is in Arrow."""
    return column([0, number], pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)


REFUSED: dict[str, tuple[pa.ChunkedArray, str]] = {
    "a float with a fraction": (column([1.5, 2.0]), "column 'c' holds the float 1.5, which has more than one text"),
    "a float beyond 2^53": (column([2.0**60, 1.0]), "holds the float 1.152921504606847e.18, which has more"),
    "an infinite date": (
        infinite(pa.date32(), 2**31 - 1),
        r"'c' \(date32\[day\]\) has infinity, a year beyond 32767",
    ),
    "an infinite time": (infinite(pa.timestamp("us"), 2**63 - 1), r"'c' \(timestamp\[us\]\) has infinity, a year"),
    "an infinite time of a zone": (infinite(pa.timestamp("us", "UTC"), 2**63 - 1), "infinity, a year beyond 32767"),
    "a date before all": (
        infinite(pa.date32(), 1 - 2**31).dictionary_encode(),
        "which have no text: make it null or a text",
    ),
    "bytes that are no text": (column([b"\xff\xfe", b"a"], pa.binary()), "'c' has bytes that are not UTF-8"),
    "lists": (column([[1], [2]]), "column 'c' is list<item: int64>, which is not text, a number or a time: cast it"),
    "structs": (column([{"a": 1}, {"a": 2}]), "column 'c' is struct<a: int64>, which is no text"),
    "a NUL": (column(["2223\0junk", "a"]), r"column 'c' has a NUL character in '2223\\x00junk', at which NVIDIA"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_text_or_two_is_refused(raw: pa.ChunkedArray, message: str) -> None:
    with pytest.raises(LogError, match=message):
        texts(raw, "c", LOG)


def test_only_the_empty_cell_and_what_the_schema_lists_are_null() -> None:
    log = LOG.model_copy(update={"null_values": ("NA", "-")})
    raw = column(["NA", "-", "", "N/A", "na"])
    assert texts(raw, "c", log).objects().tolist() == [None, None, None, "N/A", "na"]
    assert np.isnan(numbers(column(["NA", "-", "", "1"]), "c", log)).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (column(["1", " 2.50", "-3e-2", "+.5", None]), [1.0, 2.5, -0.03, 0.5, None]),
        (column(["1", "2", "1"]).dictionary_encode(), [1.0, 2.0, 1.0]),
        (column([Decimal("1.25"), None]), [1.25, None]),
        (column([1, None]), [1.0, None]),
        (column([float("nan"), 2.0]), [None, 2.0]),
        (column([True, False]), [1.0, 0.0]),
    ],
)
def test_numbers_are_read_of_any_type_that_holds_them(raw: pa.ChunkedArray, expected: list[float | None]) -> None:
    read = numbers(raw, "c", LOG).tolist()
    assert [None if value != value else value for value in read] == expected


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "1,5", "0x10", "1_000", "1 000", "two", "NULL"])
def test_a_text_that_is_not_a_number_is_not_a_null_either(text: str) -> None:
    with pytest.raises(
        LogError, match=r"is no number \(1 such rows\), clean the column, or name what means none in log"
    ):
        numbers(column(["1", text]), "c", LOG)


def test_a_decimal_comma_is_read_where_the_schema_says_so() -> None:
    log = LOG.model_copy(update={"decimal": ","})
    assert numbers(column(["1,5", "2"]), "c", log).tolist() == [1.5, 2.0]
    with pytest.raises(LogError, match=r"'1\.234' is no number"):
        numbers(column(["1,5", "1.234"]), "c", log)


def test_whole_numbers_keep_every_digit() -> None:
    exact = 1_704_099_600_123_456_789
    assert whole_numbers(column([str(exact), "-1"]), "c", LOG).to_pylist() == [exact, -1]
    assert whole_numbers(column([Decimal(exact), None]), "c", LOG).to_pylist() == [exact, None]
    for text in ("1.0", "1e3", "0x10", "99999999999999999999"):
        with pytest.raises(LogError, match="column 'c': "):
            whole_numbers(column(["1", text]), "c", LOG)
