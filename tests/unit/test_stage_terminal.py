"""The output of commands on terminals that are not UTF-8."""

from __future__ import annotations

import io
import json
import sys

import pytest

from stage.command import print_result, replace_what_cannot_be_shown

RESULT = {"item_ids": ["😀", "café"]}


@pytest.mark.parametrize(
    ("encoding", "shown", "escaped"), [("ascii", "? caf?", True), ("latin-1", "? café", True), ("utf-8", None, False)]
)
def test_what_a_terminal_cannot_show_is_replaced_and_the_json_keeps_every_character(
    encoding: str, shown: str | None, escaped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    replace_what_cannot_be_shown()
    print("😀 café")
    print_result(RESULT)
    first, last = written.getvalue().decode(encoding).splitlines()
    assert first == (shown or "😀 café")
    assert json.loads(last) == RESULT
    assert ("\\u" in last) == escaped


def test_text_that_no_encoding_has_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    replace_what_cannot_be_shown()
    print("\ud800")
    print_result({"user": "\ud800"})
    first, last = written.getvalue().decode().splitlines()
    assert first == "?"
    assert json.loads(last) == {"user": "\ud800"}
