"""Logs of any form become one canonical form, or are refused by the name of the column and the remedy."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preprocessing.declared import parse_schema
from preprocessing.log.canonical import RawLog
from preprocessing.log.canonical import raw_log as canonical
from preprocessing.log.errors import LogError
from preprocessing.log.read import frame_table, read_log
from preprocessing.schema import Schema
from tests.synthetic import write_log


def schema_of(*features: dict[str, Any], **log: Any) -> Schema:
    columns = {"user": "user", "item": "item", "time": "time", **log.pop("columns", {})}
    body = {
        "name": "unit",
        "log": {"columns": columns, **log},
        "split": {"kind": "leave_one_out"},
        "features": [
            {"name": "item_id", "kind": "categorical", "side": "item", "column": "item"},
            {"name": "recent", "kind": "sequence", "side": "user"},
            *features,
        ],
    }
    return parse_schema(body, "unit")


def small_log(**columns: Any) -> pd.DataFrame:
    times = pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-01"])
    return pd.DataFrame({"user": ["b", "a", "a", "ü"], "item": [3, 1, 2, 1], "time": times, **columns})


def raw_log(schema: Schema, log: pd.DataFrame, users: pd.DataFrame | None, items: pd.DataFrame | None) -> RawLog:
    return canonical(
        schema,
        frame_table("the log", log),
        None if users is None else frame_table("the user table", users),
        None if items is None else frame_table("the item table", items),
    )


def test_a_csv_and_a_parquet_file_of_one_log_are_read_alike(tmp_path: Path) -> None:
    schema, log = schema_of(), small_log()
    log.to_csv(tmp_path / "interactions.csv", index=False)
    log.to_parquet(tmp_path / "other.parquet", index=False)
    from_csv = read_log(schema, tmp_path)
    from_parquet = read_log(schema, tmp_path / "other.parquet")
    for name in ("interactions", "sessions", "users", "items"):
        pd.testing.assert_frame_equal(getattr(from_csv, name), getattr(from_parquet, name))
    assert from_csv.items.index.tolist() == ["1", "2", "3"]
    assert from_csv.users.index.tolist() == ["a", "b", "ü"]


def test_rows_are_numbered_by_sorted_sessions_and_items_whatever_the_files_order() -> None:
    schema = schema_of(columns={"session": "session"}, order_in_session="shuffled")
    log = small_log(session=["s2", "s1", "s1", "s1"])
    one, other = raw_log(schema, log, None, None), raw_log(schema, log.iloc[::-1], None, None)
    pd.testing.assert_frame_equal(one.sessions, other.sessions)
    by = ["session", "item"]
    left, right = (each.interactions.sort_values(by).reset_index(drop=True) for each in (one, other))
    pd.testing.assert_frame_equal(left, right)
    assert one.sessions[["user", "session"]].to_numpy().tolist() == [["a", "s1"], ["b", "s2"], ["ü", "s1"]]


def test_without_a_session_column_every_interaction_is_a_session_in_the_files_order() -> None:
    log = small_log().assign(time=pd.Timestamp("2024-01-01"), user=["a", "a", "b", "a"])
    read = raw_log(schema_of(), log, None, None)
    items = read.items.index[read.interactions["item"]]
    assert items[read.interactions["session"].argsort()].tolist() == ["3", "1", "1", "2"]


def test_an_item_entered_twice_in_a_session_is_one_purchase_of_the_summed_value() -> None:
    schema = schema_of(columns={"session": "session", "value": "value"})
    log = small_log(session="s", value=[1.0, 2.0, 4.0, 8.0]).assign(item=[7, 5, 5, 5])
    rows = raw_log(schema, log, None, None).interactions
    assert sorted(rows["value"]) == [1.0, 6.0, 8.0]


@pytest.mark.parametrize(
    ("column", "log", "expected"),
    [
        (["2024-07-01 12:00:00"] * 4, {"timezone": ["UTC", "US/Eastern"]}, "2024-07-01 08:00"),
        (["2024-07-01 12:00:00+02:00"] * 4, {"timezone": ["UTC", "US/Eastern"]}, "2024-07-01 06:00"),
        (["2024-07-01 12:00:00+02:00"] * 4, {}, "2024-07-01 12:00"),
        ([1719835200] * 4, {"time_unit": "s"}, "2024-07-01 12:00"),
        ([1719835200000] * 4, {"time_unit": "ms", "timezone": ["UTC", "Asia/Tokyo"]}, "2024-07-01 21:00"),
        (["2024-03-31 02:30:00"] * 4, {"timezone": ["Europe/Paris", "Europe/Paris"]}, "2024-03-31 03:00"),
        (["2024-10-27 02:30:00"] * 4, {"timezone": ["Europe/Paris", "UTC"]}, "2024-10-27 00:30"),
    ],
)
def test_times_become_local_ones_of_the_shop(column: list[Any], log: dict[str, Any], expected: str) -> None:
    read = raw_log(schema_of(**log), small_log().assign(time=column), None, None)
    assert read.sessions["time"].unique().tolist() == [pd.Timestamp(expected).value]


def test_side_tables_are_joined_by_id_and_what_they_lack_is_null() -> None:
    features = [
        {"name": "city", "kind": "categorical", "side": "user"},
        {"name": "age", "kind": "numeric", "side": "user"},
        {"name": "vector", "kind": "pretrained", "side": "item", "dim": 2},
    ]
    users = pd.DataFrame({"user": ["ü", "x", "a", "a"], "city": ["Ω", "n", "", "m"], "age": [1, 2, 3, 4]})
    items = pd.DataFrame({"item": [2, 1], "vector": [[1.0, 2.0], None]})
    read = raw_log(schema_of(*features), small_log(), users, items)
    assert read.users["city"].tolist() == [None, None, "Ω"]
    assert read.users["age"].fillna(-1).tolist() == [3.0, -1.0, 1.0]
    assert [None if v is None else v.tolist() for v in read.items["vector"]] == [None, [1.0, 2.0], None]
    assert read.items["title"].tolist() == ["1", "2", "3"]


def test_a_table_that_has_none_of_the_logs_ids_is_refused_with_one_of_either_side() -> None:
    brand = {"name": "brand", "kind": "categorical", "side": "item"}
    items = pd.DataFrame({"item": ["0001", "0002"], "brand": ["x", "y"]})
    message = r"the item table has none of the log's 3 items: its 'item' holds '0001', the log '1' \(2 match but for"
    with pytest.raises(LogError, match=message):
        raw_log(schema_of(brand), small_log(), None, items)
    with pytest.raises(LogError, match=r"its 'item' holds 'a', the log '1': write the ids of both alike"):
        raw_log(schema_of(brand), small_log(), None, items.assign(item=["a", "b"]))


def test_a_context_that_changes_in_a_session_is_its_first_or_its_last_value_by_time() -> None:
    log = small_log(session="s", channel=["late", "early", "middle", "early"]).assign(user=["a", "a", "a", "b"])
    for word, expected in (("first", "early"), ("last", "late")):
        channel = {"name": "channel", "kind": "categorical", "side": "context", "in_session": word}
        schema = schema_of(channel, columns={"session": "session"})
        assert raw_log(schema, log, None, None).sessions["channel"].tolist() == [expected, "early"]


def test_one_column_is_a_title_and_two_features_at_once() -> None:
    words = {"name": "words", "kind": "text", "side": "item", "column": "name"}
    name = {"name": "label", "kind": "categorical", "side": "item", "column": "name"}
    log = small_log(name=["Three", "One", "Two", "One"])
    items = raw_log(schema_of(words, name, columns={"title": "name"}), log, None, None).items
    assert items[["title", "words", "label"]].to_numpy().tolist() == [[text] * 3 for text in ("One", "Two", "Three")]


def test_without_a_table_a_users_features_are_those_of_the_earliest_row() -> None:
    city = {"name": "city", "kind": "categorical", "side": "user"}
    read = raw_log(schema_of(city), small_log(city=["b1", "early", "late", "u1"]), None, None)
    assert read.users["city"].to_dict() == {"a": "early", "b": "b1", "ü": "u1"}


def test_the_synthetic_log_is_the_same_at_every_call(tmp_path: Path) -> None:
    files = [write_log(tmp_path / name) / "interactions.parquet" for name in ("one", "two")]
    pd.testing.assert_frame_equal(*(pd.read_parquet(file) for file in files))


def feature(**more: Any) -> dict[str, Any]:
    return {"name": "extra", "side": "context", **more}


VECTOR = feature(kind="pretrained", dim=2)
REFUSED: dict[str, tuple[Schema, dict[str, Any], str]] = {
    "a missing column": (
        schema_of(columns={"session": "visit"}),
        {},
        "no column 'visit' in the log: the columns are user",
    ),
    "a missing feature": (schema_of(feature(kind="text")), {}, "no column 'extra' in the log.*name the right one"),
    "an item without an id": (schema_of(), {"item": [1, 2, None, 3]}, r"column 'item' \(item\): 1 rows have none"),
    "a blank user": (schema_of(), {"user": ["a", "", "b", "c"]}, r"column 'user' \(user\): 1 rows have none"),
    "a single user": (
        schema_of(),
        {"user": "solo"},
        r"the log has a single user \('solo'\): give the log of at least two",
    ),
    "a missing time": (schema_of(), {"time": [None, 1, 2, 3]}, r"column 'time' \(time\): 1 rows have none"),
    "a time of words": (
        schema_of(),
        {"time": "tomorrow-ish"},
        r"column 'time' \(time\): 'tomorrow-ish' \(row 1\) is not an ISO 8601 time .*say --time-format as in strptime",
    ),
    "a time of numbers": (
        schema_of(),
        {"time": [1, 2, 3, 4]},
        r"column 'time' \(time\) holds numbers \(1 to 4\): say --time-unit s, ms, us or ns .*or order",
    ),
    "times with an offset and without": (
        schema_of(),
        {"time": ["2024-01-01T00:00+01:00", "2024-01-01T00:00"] * 2},
        "mixes times with an offset from UTC .*T00:00.01:00.* and without",
    ),
    "a number of words": (
        schema_of(feature(kind="numeric")),
        {"extra": ["1", "two", "3", None]},
        r"column 'extra': 'two' is no number \(1 such rows\), clean the column",
    ),
    "an infinite number": (schema_of(feature(kind="numeric")), {"extra": [1, np.inf, 2, 3]}, "'extra' holds infinity"),
    "a column of nulls": (
        schema_of(feature(kind="categorical")),
        {"extra": None},
        "column 'extra' of the log is all null: drop the feature 'extra'",
    ),
    "an int with nulls": (
        schema_of(feature(kind="categorical", dtype="int")),
        {"extra": [1, None, 2, 3]},
        "column 'extra' has 1 nulls, 'extra' is dtype 'int': say dtype = 'string'",
    ),
    "an int of words": (
        schema_of(feature(kind="categorical", dtype="int")),
        {"extra": "x"},
        "column 'extra': 'x' is no whole number .*or say dtype = 'string' for 'extra'",
    ),
    "a short vector": (
        schema_of(VECTOR),
        {"extra": [[1.0, 2.0], [1.0], None, None]},
        r"holds '\[1.0\]', expected .* dim = 2",
    ),
    "a vector of words": (schema_of(VECTOR), {"extra": "[1, 2]"}, r"holds '\[1, 2\]', expected vectors of dim = 2"),
    "a vector with a hole": (schema_of(VECTOR), {"extra": [[1.0, np.nan]] * 4}, "expected vectors of dim = 2 finite"),
    "a context that changes in a session": (
        schema_of(feature(kind="categorical"), columns={"session": "session"}),
        {"session": "s", "extra": ["x", "y", "z", "x"]},
        "column 'extra' changes inside a session: say in_session = 'first' .* or 'last' for 'extra'",
    ),
    "a title that is not there": (schema_of(columns={"title": "name"}), {}, "no column 'name' in the log"),
}


@pytest.mark.parametrize(("schema", "columns", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_by_name(schema: Schema, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(LogError, match=message):
        raw_log(schema, small_log().assign(**columns), None, None)


def test_an_int_feature_that_the_table_lacks_for_a_user_is_refused() -> None:
    tier = {"name": "tier", "kind": "categorical", "dtype": "int", "side": "user"}
    users = pd.DataFrame({"user": ["a", "b"], "tier": [1, 2]})
    with pytest.raises(LogError, match=r"the user table lacks 1 users of the log \('ü'\), 'tier' is dtype 'int'"):
        raw_log(schema_of(tier), small_log(), users, None)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(LogError, match=r"log.timezone \['UTC', 'Mars/Olympus'\] \(--time-zone\): .*give names"):
        raw_log(schema_of(timezone=["UTC", "Mars/Olympus"]), small_log(), None, None)
