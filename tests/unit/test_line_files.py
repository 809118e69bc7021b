"""Text files with one session or user per line: items in their order, in any of the stated forms, or one clear line."""

import gzip
from pathlib import Path

import pytest

from preprocessing.changes import Changes
from preprocessing.fit import fit
from preprocessing.log.canonical import RawLog
from preprocessing.log.errors import LogError
from preprocessing.log.read import read_log
from preprocessing.schema import load_schema


def taken(log: RawLog) -> dict[str, list[str]]:
    """The items of each session, or of each user if the log has users, in their order."""
    rows = log.interactions.sort_values("instant", kind="stable")
    owner = log.sessions["user"].to_numpy()[rows["session"]]
    items = log.items.index.to_numpy()[rows["item"]]
    return {name: items[owner == name].tolist() for name in dict.fromkeys(owner)}


@pytest.mark.parametrize(
    "text", ["7 3 7 é\n\n5 3\n", "7,3,7,é\r\n\r\n5,3", "7, 3, 7, é\n\n5\t3\n", "\ufeff 7 3  7 é \n\n5 3"]
)
def test_blanks_tabs_and_commas_separate_the_items_of_a_session(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(text.encode())
    log = read_log(load_schema("session_lines"), tmp_path / "log.txt")
    assert taken(log) == {"1": ["7", "3", "7", "é"], "3": ["5", "3"]}


def test_a_stated_separator_leaves_blanks_in_ids(tmp_path: Path) -> None:
    (tmp_path / "log.txt.gz").write_bytes(gzip.compress(b"red mug|tea\ntea|jam"))
    schema = load_schema("session_lines", Changes(log={"separator": "|"}))
    assert taken(read_log(schema, tmp_path / "log.txt.gz")) == {"1": ["red mug", "tea"], "2": ["tea", "jam"]}


def test_the_first_field_is_the_user_if_the_schema_says_so(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("ann 3 1 2\nbob 3 3\n", encoding="utf-8")
    assert taken(read_log(load_schema("user_lines"), tmp_path / "log.txt")) == {
        "ann": ["3", "1", "2"],
        "bob": ["3", "3"],
    }


def test_a_file_for_the_test_continues_the_order_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("ann 3 1\nbob 3 2 1\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("ann 2\n", encoding="utf-8")
    split = {"kind": "given", "test_file": "test.txt"}
    log = read_log(load_schema("user_lines", Changes(split=split)), tmp_path / "log.txt")
    assert taken(log)["ann"] == ["3", "1", "2"]
    assert log.sessions["split"][log.sessions["user"] == "ann"].tolist() == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ann 3\nbob\n", r"line 2 has the user 'bob' and no item: remove the line"),
        ("", "the log is empty"),
    ],
)
def test_a_file_that_is_no_log_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(text, encoding="utf-8")
    with pytest.raises(LogError, match=words):
        read_log(load_schema("user_lines"), tmp_path / "log.txt")


def test_a_file_in_another_encoding_or_of_no_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"ann caf\xe9\nbob tea")
    with pytest.raises(LogError, match="is not in utf-8: say what it is in, such as --encoding latin-1"):
        read_log(load_schema("user_lines"), tmp_path / "log.txt")
    with pytest.raises(LogError, match="is not a file: a log of lines is one text file"):
        fit(load_schema("user_lines"), tmp_path / "none.txt", tmp_path / "data")
