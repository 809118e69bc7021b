"""Times are read as written or stated, and never guessed row by row."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from preprocessing.log.errors import LogError
from preprocessing.log.tables import RawTable
from preprocessing.log.times import Times, read_times
from preprocessing.log_layout import Log


def read(values: list[Any] | pa.Array, **log: Any) -> Times:
    column = pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])
    layout = Log.model_validate({"columns": {"user": "u", "item": "i", "time": "t"}, **log})
    return read_times(column, "t", layout)


def at(text: str) -> int:
    return pd.Timestamp(text).value


@pytest.mark.parametrize(
    ("values", "log", "expected"),
    [
        (["2024-02-03"], {}, "2024-02-03"),
        (["2024-02-03 04:05"], {}, "2024-02-03 04:05"),
        (["2024-02-03T04:05:06.123456789"], {}, "2024-02-03 04:05:06.123456789"),
        (["2024-02-03T04:05:06Z"], {}, "2024-02-03 04:05:06"),
        (["2024-02-03T04:05+02:00"], {}, "2024-02-03 02:05"),
        ([datetime(2024, 2, 3, 4)], {}, "2024-02-03 04:00"),
        ([date(2024, 2, 3)], {}, "2024-02-03"),
        (["03/02/2023 10:00"], {"time_format": "%d/%m/%Y %H:%M"}, "2023-02-03 10:00"),
        (["20230203"], {"time_format": "%Y%m%d"}, "2023-02-03"),
        ([20230203], {"time_format": "%Y%m%d"}, "2023-02-03"),
        (["3 Feb 2023 10:00 +0200"], {"time_format": "%d %b %Y %H:%M %z"}, "2023-02-03 08:00"),
        ([1704099600], {"time_unit": "s"}, "2024-01-01 09:00"),
        (["1704099600.25"], {"time_unit": "s"}, "2024-01-01 09:00:00.25"),
        ([1704099600.25], {"time_unit": "s"}, "2024-01-01 09:00:00.25"),
        ([Decimal("1704099600.123456789")], {"time_unit": "s"}, "2024-01-01 09:00:00.123456789"),
        (["1704099600000"], {"time_unit": "ms"}, "2024-01-01 09:00"),
        ([1704099600000001], {"time_unit": "us"}, "2024-01-01 09:00:00.000001"),
        (["1704099600123456789"], {"time_unit": "ns"}, "2024-01-01 09:00:00.123456789"),
    ],
)
def test_a_time_is_the_instant_that_is_written(values: list[Any], log: dict[str, Any], expected: str) -> None:
    assert read(values, **log).instant.tolist() == [at(expected)]


def test_local_times_are_those_written_whatever_their_offset() -> None:
    times = read(["2024-03-30T12:00+01:00", "2024-04-01T12:00+02:00"])
    assert times.local.tolist() == [at("2024-03-30 12:00"), at("2024-04-01 12:00")]
    assert times.instant.tolist() == [at("2024-03-30 11:00"), at("2024-04-01 10:00")]
    paris = read(pa.array([at("2024-07-01 10:00")], pa.timestamp("ns", "Europe/Paris")))
    assert paris.local.tolist() == [at("2024-07-01 12:00")]


@pytest.mark.parametrize("text", ["2024-01-01 10:00:00 UTC", "20240101T100000Z", "2024-01-01 12:00:00 +0200"])
def test_the_format_that_is_named_keeps_the_zone_that_is_written(text: str) -> None:
    with pytest.raises(LogError) as raised:
        read([text])
    named = str(raised.value).partition('--time-format "')[2].partition('"')[0]
    times = read([text], time_format=named, timezone=("Europe/Paris", "Europe/Paris"))
    assert times.instant.tolist() == [at("2024-01-01 10:00")]
    assert times.local.tolist() == [at("2024-01-01 11:00")]


def test_half_floats_are_numbers() -> None:
    table = RawTable("the log", pa.table({"t": pa.array([np.float16(3), np.float16(2)], pa.float16())}), ("t",))
    layout = Log.model_validate({"columns": {"user": "u", "item": "i", "time": "t"}, "time_unit": "order"})
    assert read_times(table.column("t"), "t", layout).instant.tolist() == [3, 2]


def test_an_order_keeps_its_last_digit() -> None:
    order = [2**60 + 1, 2**60, 2**60 + 2]
    assert read(order, time_unit="order").instant.tolist() == order
    assert read([str(each) for each in order], time_unit="order").instant.tolist() == order


@pytest.mark.parametrize(("scale", "unit"), [(1, "seconds"), (10**3, "milli"), (10**6, "micro"), (10**9, "nano")])
def test_numbers_without_a_unit_are_read_where_one_unit_alone_gives_a_date(scale: int, unit: str) -> None:
    for values in ([1704099600 * scale, 1704099601 * scale], [str(1704099600 * scale), str(1704099601 * scale)]):
        times = read(values)
        assert times.instant.tolist() == [at("2024-01-01 09:00"), at("2024-01-01 09:00:01")]
        assert times.reading.startswith(unit)
        assert "only unit" in times.reading


DAY_FIRST = ["03/02/2023 10:00", "01/02/2023 09:00"]
REFUSED: dict[str, tuple[list[Any] | pa.Array, dict[str, Any], str]] = {
    "two readings": (DAY_FIRST, {}, r"10:00' \(row 1\) is not an ISO.*\"%d/%m/%Y %H:%M\" or \"%m/%d/%Y %H:%M\""),
    "one reading is not guessed either": ([*DAY_FIRST, "13/02/2023 10:00"], {}, 'say --time-format "%d/%m/%Y %H:%M",'),
    "ISO beside day first": (["2023-01-01 10:00", "03/02/2023 10:00"], {}, r"/02/2023 10:00' \(row 2\) is not an ISO"),
    "a day that is none": (["2024-02-31"], {}, "'2024-02-31' .* is not an ISO 8601 time"),
    "a day that is none, by format": (["31/02/2023"], {"time_format": "%d/%m/%Y"}, "day is out of range for month"),
    "a row of another format": (["01/02/2023", "1.2.2023"], {"time_format": "%d/%m/%Y"}, r"\(row 2\) does not have"),
    "a date as a number": ([20240102, 20240103], {}, r'that read as dates: say --time-format "%Y%m%d" \(log'),
    "an hour as a number": (["2023010210", "2023010311"], {}, 'read as dates: say --time-format "%Y%m%d%H"'),
    "a number of the future": ([4_000_000_000, 4_000_000_001], {}, "holds numbers .*say --time-unit"),
    "no time, by format": (["2024-01-01", "NaT"], {"time_format": "%Y-%m-%d"}, r"'NaT' \(row 2\) does not have"),
    "half a date, by format": (["2024-01-01", "2024-01"], {"time_format": "%Y-%m-%d"}, "'2024-01' .* does not have"),
    "more than the format": (["2024-01-01 10:00"], {"time_format": "%Y-%m-%d"}, "does not have the format"),
    "an offset beside none": (
        ["2024-01-01 10:00:00+0200", "2024-01-01 10:00:00"],
        {"time_format": "%Y-%m-%d %H:%M:%S%z"},
        r"'2024-01-01 10:00:00' \(row 2\) does not have the format .*: give the --time-format that every row has",
    ),
    "a zone that the format drops": (
        ["2024-01-01 10:00:00Z"], {"time_format": "%Y-%m-%d %H:%M:%S"}, "does not have the format"
    ),
    "digits that are too few": (["202313"], {"time_format": "%Y%m%d"}, "does not have the format"),
    "a format without a date": (["10:00"], {"time_format": "%H:%M"}, "has no complete date: give year, month and day"),
    "a zone's name": (["2024-01-01 CET"], {"time_format": "%Y-%m-%d %Z"}, "%Z is not supported: write offsets"),
    "a number beyond all": (["1e400000000"], {"time_unit": "s"}, "finer than a nanosecond or beyond the years"),
    "a zone that no one knows": (pa.array([0], pa.timestamp("ns", "Foo/Bar")), {}, "zone 'Foo/Bar', which"),
    "numbers of two units": ([1704099600, 1704099600000], {}, "holds numbers .*say --time-unit"),
    "seconds as milliseconds of milliseconds": ([1704099600000000], {"time_unit": "s"}, "reaches beyond the years"),
    "a float that lost digits": ([1.704099600123456789e18], {"time_unit": "ns"}, "whose last digits are lost"),
    "finer than a nanosecond": (["1.0000000001"], {"time_unit": "s"}, "is finer than a nanosecond"),
    "an order with a fraction": (["1.5"], {"time_unit": "order"}, "'1.5' is not a whole number"),
    "an order of floats with a fraction": (
        [1.0, 1.5], {"time_unit": "order"}, "holds the float 1.5, which is not an exact whole number: write whole"
    ),
    "a year of the far future": (["3000-01-01"], {}, "has years before 1678 or after 2261"),
    "a stored year of the far future": (
        pa.array([datetime(3000, 1, 1)], pa.timestamp("us")), {}, "has years before 1678 or after 2261"
    ),
    "a time that is none": ([None, "2024-01-01"], {}, "1 rows have none, filter them out"),
    "a NaN": ([float("nan"), 1704099600.0], {"time_unit": "s"}, "1 rows have none"),
    "dates of a unit": ([date(2024, 1, 1)], {"time_unit": "s"}, "is date32.*, not numbers: leave out --time-unit"),
    "a list": ([[1]], {}, "is list<item: int64>, which is not a time"),
    "an unknown zone": (["2024-01-01"], {"timezone": ("Mars/Olympus", "UTC")}, "give names such as 'Europe/Paris'"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "log", "message"), REFUSED.values(), ids=REFUSED)
def test_a_time_that_reads_two_ways_or_none_is_refused(values: Any, log: dict[str, Any], message: str) -> None:
    with pytest.raises(LogError, match=message):
        read(values, **log)


def test_the_format_that_is_named_reads_the_column() -> None:
    values = ["1/13/2024 5:00 PM", "1/2/2024 4:00 AM"]
    with pytest.raises(LogError) as raised:
        read(values)
    named = str(raised.value).partition('--time-format "')[2].partition('"')[0]
    assert np.array_equal(read(values, time_format=named).instant, [at("2024-01-13 17:00"), at("2024-01-02 04:00")])
