"""TOML as a person reads it: tables with comments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from preprocessing.draft.proposals import Proposal

WIDTH = 118


def toml_value(value: Any) -> str:
    """Write a text, number, truth, list or inline table."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            return "{ " + ", ".join(f"{key} = {toml_value(each)}" for key, each in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case _:
            return repr(value)


def line(key: str, value: Any, comment: str = "") -> str:
    """Write one key, with a comment behind it."""
    return f"{key} = {toml_value(value)}" + (f"  # {one_line(comment)}" if comment else "")


def comment(text: str) -> list[str]:
    """Write a text as lines of comment."""
    lines, current = [], "#"
    for word in one_line(text).split(" "):
        if len(current) + len(word) + 1 > WIDTH and current != "#":
            lines.append(current)
            current = "#"
        current += f" {word}"
    return [*lines, current]


def one_line(text: str) -> str:
    """Return a text without characters that a comment of TOML may not hold."""
    return "".join(each if each.isprintable() else " " for each in text)


def feature_lines(proposal: Proposal) -> list[str]:
    """Write a feature's table below its notes; one that is not active as comments throughout."""
    notes = [each for note in proposal.notes for each in comment(note)]
    body = ["[[features]]", *(line(key, value) for key, value in proposal.keys.items())]
    return [*notes, *(body if proposal.active else [f"# {each}" for each in body])]


def joined(blocks: Iterable[Iterable[str]]) -> str:
    """Return blocks of lines with a blank line between them."""
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
