"""Recorded rows, item tables and request files as people have them: read, or refused in one line that helps."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client.errors import RecordedDataInvalid
from client.recorded import RecordedRows, read_titles
from client.request_file import read_requests


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: give one object of feature values, or a list of them .*client describe"),
        (b" \n", "is empty"),
        (b'{"city": "\xe9"}', "byte 10 is not UTF-8: save the file as UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "byte 0 is not UTF-8"),
        (b'{"a": 1', "not JSON .*: give one object"),
        (b"[" * 100_000, "is nested too deeply|not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "contains no request"),
        (b"[1]", "contains no request"),
        (b"null", "contains no request"),
    ],
)
def test_a_request_file_that_holds_no_request_is_refused_in_one_line(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "request.json").write_bytes(content)
    with pytest.raises(RecordedDataInvalid, match=message) as refusal:
        read_requests(tmp_path / "request.json")
    assert "\n" not in str(refusal.value)


def test_a_folder_is_not_a_request_file(tmp_path: Path) -> None:
    with pytest.raises(RecordedDataInvalid, match="Is a directory: give a JSON file with a request"):
        read_requests(tmp_path)


def test_a_request_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(json.dumps({"city": "Łódź"}), encoding="utf-8-sig")
    assert read_requests(tmp_path / "request.json")[0].features == {"city": "Łódź"}


def recorded(tmp_path: Path, **columns: Any) -> RecordedRows:
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    return RecordedRows(tmp_path / "rows.parquet")


@pytest.mark.parametrize("users", [[3, 14], ["3", "14"], [3.0, 14.0], [Decimal("3"), Decimal("14")]])
def test_users_are_found_by_what_is_shown_of_them_whatever_their_type(users: list[Any], tmp_path: Path) -> None:
    rows = recorded(tmp_path, user=users, hour=[1, 2])
    assert rows.users(9) == ["3", "14"]
    assert rows.newest_of(["14"])[0].features == {"hour": 2}
    for stranger in ("015", "\udce9"):
        with pytest.raises(RecordedDataInvalid, match="has no recorded row here: give a user such as 3, 14"):
            rows.newest_of([stranger])


def test_a_user_s_newest_row_is_never_one_without_a_time(tmp_path: Path) -> None:
    rows = recorded(tmp_path, user=["a"] * 3, time=[5, 9, None], hour=[1, 2, 3])
    assert rows.newest_of(["a"])[0].features == {"hour": 2}


def test_times_beyond_python_s_are_not_read_and_features_beyond_them_are_refused_by_name(tmp_path: Path) -> None:
    far = pa.array([2**60], pa.timestamp("s"))
    assert recorded(tmp_path, user=["a"], time=far, hour=[1]).newest_of(["a"])[0].features == {"hour": 1}
    with pytest.raises(RecordedDataInvalid, match=r"column 'since' \(timestamp\[ms\]\) cannot be read"):
        recorded(tmp_path, user=["a"], since=far).newest_of(["a"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [[1]]}, "column 'user' is list<.*>, not strings or ints: give DATA/requests/<split>"),
        ({"user": [{"id": 1}]}, "column 'user' is struct<.*>, not strings or ints"),
        ({"user": [b"\xff"]}, "column 'user' is binary, not strings or ints"),
        ({"user": ["a"], "time": [[1]]}, "column 'time' is list<.*>, not a time"),
        ({"user": ["a"], "target": ["abc"]}, "column 'target' is string, not a list of strings"),
        ({"user": ["a"], "target": [[7]]}, "column 'target' is list<.*int64>, not a list of strings"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(
    columns: dict[str, list[Any]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecordedDataInvalid, match=message):
        recorded(tmp_path, **columns).newest_of(["a"])


def test_unreadable_parquet_is_distinguished_from_other_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"hour": list(range(100))}), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[:-20])
    (tmp_path / "spoiled.parquet").write_bytes(whole[:4] + b"\xff" * 40 + whole[44:])
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("torn.parquet", "is not a Parquet file: give DATA/requests"),
        ("spoiled.parquet", r"cannot be read \(.+\): give DATA/requests"),
        ("empty", "has no rows: give the requests of a split that has some"),
        ("\udce9", "no such file or folder"),
    ):
        with pytest.raises(RecordedDataInvalid, match=message) as refusal:
            RecordedRows(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_titles_of_any_type_are_shown_as_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": [b"p1", b"p\xff"], "title": [7, None]}), tmp_path / "items.parquet")
    assert read_titles(tmp_path / "items.parquet") == {"p1": "7", "p\ufffd": "p\ufffd"}
