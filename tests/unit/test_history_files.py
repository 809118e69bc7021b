"""Files of histories are read as text, in one of the stated forms; whatever can be read in two ways is refused."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export.next_item import history_files
from export.next_item.history_files import HistoriesError, HistoryFile


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "histories.parquet", row_group_size=2)
    return folder / "histories.parquet"


def text(folder: Path, *lines: str) -> Path:
    (folder / "histories.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "histories.csv"


def read(path: Path, **options: Any) -> list[tuple[str, list[Any]]]:
    chunks = list(HistoryFile(path, **options).chunks())
    return [(owner, row["history"]) for each in chunks for owner, row in zip(each.ids, each.rows, strict=True)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_files, "_CHUNK", 2)


def test_lists_of_parquet_are_read_with_their_owners_in_the_order_of_the_file(tmp_path: Path) -> None:
    histories = [["ç", None, "00"], [], None, ["a", "a", ""]]
    read_as = [["ç", None, "00"], [], [], ["a", "a", ""]]
    assert read(parquet(tmp_path, history=histories)) == list(zip("0123", read_as, strict=True))
    owned = parquet(tmp_path, history=histories, user=["u", "v", "w", "u"])
    assert read(owned) == list(zip(["u", "v", "w", "u"], read_as, strict=True))
    assert HistoryFile(owned).key == "user"
    numbers = parquet(tmp_path, history=[[7, None], [123456789012345678]], id=[1, 2])
    assert read(numbers) == [("1", ["7", None]), ("2", ["123456789012345678"])]


def test_a_csv_has_a_history_per_line_joined_by_the_separator(tmp_path: Path) -> None:
    path = text(tmp_path, "user,history", "u,a b 00", "v,", 'w,"x,1"')
    assert read(path) == [("u", ["a", "b", "00"]), ("v", []), ("w", ["x,1"])]
    assert read(text(tmp_path, "history", "a b|c"), separator="|") == [("0", ["a b", "c"])]


def test_rows_of_items_are_put_together_by_user_across_chunks(tmp_path: Path) -> None:
    users = ["u", "u", "u", "v", "w", "w"]
    items = ["a", "b", None, "a", "1", "2"]
    expected = [("u", ["a", "b", None]), ("v", ["a"]), ("w", ["1", "2"])]
    assert read(parquet(tmp_path, user=users, item=items)) == expected
    lines = [f"{user},{item or ''}" for user, item in zip(users, items, strict=True)]
    assert read(text(tmp_path, "user,item", *lines)) == [("u", ["a", "b", ""]), *expected[1:]]


def test_rows_of_items_are_sorted_by_time_or_position_and_equal_ones_keep_their_order(tmp_path: Path) -> None:
    items, place = ["a", "b", "c", "d"], [10, 9, 10, 2]
    expected = [("u", ["d", "b", "a", "c"])]
    times = pa.array(place, pa.timestamp("ns"))
    assert read(parquet(tmp_path, user=["u"] * 4, item=items, position=place)) == expected
    assert read(parquet(tmp_path, user=["u"] * 4, item=items, time=times)) == expected
    lines = [f"u,{item},{each}" for item, each in zip(items, place, strict=True)]
    assert read(text(tmp_path, "user,item,position", *lines)) == expected


def test_excluded_items_and_contexts_belong_to_their_row(tmp_path: Path) -> None:
    path = parquet(tmp_path, history=[["a"], []], exclude=[None, ["b"]], country=["x", None])
    [chunk] = HistoryFile(path, ("country", "store")).chunks()
    assert chunk.rows == [
        {"history": ["a"], "exclude": [], "country": "x", "store": None},
        {"history": [], "exclude": ["b"], "country": None, "store": None},
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"items": [["a"]]}, "has the columns items, expected columns history"),
        ({"history": [["a"]], "item": ["a"]}, "has the columns history and item: leave one"),
        ({"history": [["a"]], "user": ["u"], "id": ["1"]}, "has the columns user and id: leave one"),
        ({"user": ["u"], "item": ["a"], "time": [1], "position": [1]}, "has the columns time and position: leave one"),
        ({"item": ["a"]}, "has items without user: add the owner of each item"),
        ({"history": [[1.0]]}, "history has ids of type double, which can be written as text in several ways"),
        ({"user": ["u"], "item": [1.5]}, "item has ids of type double, which can be written as text in several ways"),
        ({"history": ["a b"]}, "history is string, expected a list of ids: convert it"),
        ({"user": ["u"], "item": [["a"]]}, "item is list<.*>, expected one id per row: convert it"),
        ({"user": [None], "item": ["a"]}, "user is null in some rows: give every history an owner"),
        ({"user": ["u", "v", "u"], "item": ["a"] * 3}, "the rows of user u are apart: sort the file"),
        ({"user": ["u"], "item": ["a"], "time": [None]}, "time is null in some rows: fill it, or remove the column"),
        ({"user": ["u"], "item": ["a"], "time": ["noon"]}, "time is text that is not a whole number: write seconds"),
    ],
)
def test_columns_that_are_missing_or_read_in_two_ways_are_refused_in_one_line(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    path = parquet(tmp_path, **columns)
    with pytest.raises(HistoriesError, match=f"^{re.escape(str(path))}: {message}"):
        read(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["user;history", "u;a"], "has the columns user;history, expected"),
        (["history,user", "a,b,c"], "line 2 has 3 fields, its header 2: quote a field that contains a comma"),
        (["history,history", "a,b"], "has two columns history: leave one"),
        (["user,item", ",a"], "user is null in some rows"),
    ],
)
def test_a_malformed_csv_is_refused_in_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = text(tmp_path, *lines)
    with pytest.raises(HistoriesError, match=f"^{re.escape(str(path))}: {message}"):
        read(path)


def test_a_file_that_is_none_is_refused_with_its_name(tmp_path: Path) -> None:
    torn = parquet(tmp_path, history=[["a"]])
    torn.write_bytes(torn.read_bytes()[:-9])
    latin = text(tmp_path, "history")
    latin.write_bytes(b"history\n\xe7\n")
    for path in (torn, latin, tmp_path / "none.csv", tmp_path / "histories.txt"):
        with pytest.raises(HistoriesError, match=f"^{re.escape(str(path))}: "):
            read(path)
