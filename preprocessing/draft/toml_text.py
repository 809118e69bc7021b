"""Readable TOML: tables with comments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from preprocessing.draft.proposals import Proposal

WIDTH = 118


def toml_value(value: Any) -> str:
    """Return a text, number, boolean, list or inline table as TOML."""
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
    """Return the line of one key, followed by a comment."""
    return f"{key} = {toml_value(value)}" + (f"  # {one_line(comment)}" if comment else "")


def comment(text: str) -> list[str]:
    """Return a text as comment lines."""
    lines, current = [], "#"
    for word in one_line(text).split(" "):
        if len(current) + len(word) + 1 > WIDTH and current != "#":
            lines.append(current)
            current = "#"
        current += f" {word}"
    return [*lines, current]


def one_line(text: str) -> str:
    """Return a text without characters that TOML forbids in a comment."""
    return "".join(each if each.isprintable() else " " for each in text)


def feature_lines(proposal: Proposal) -> list[str]:
    """Return a feature's table below its notes; an inactive one entirely as comments."""
    notes = [each for note in proposal.notes for each in comment(note)]
    body = ["[[features]]", *(line(key, value) for key, value in proposal.keys.items())]
    return [*notes, *(body if proposal.active else [f"# {each}" for each in body])]


def joined(blocks: Iterable[Iterable[str]]) -> str:
    """Join blocks of lines with a blank line between them."""
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
