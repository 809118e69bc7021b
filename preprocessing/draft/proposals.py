"""Features proposed of columns: what kind each is, and why a column is none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from preprocessing.declared import ITEM_NAMES, ROW_NAMES
from preprocessing.draft.columns import Seen, shown
from preprocessing.draft.roles import ID, constant_share, singular, words_of
from preprocessing.log_layout import Log

CODES = ID | {"zip", "postcode", "postal"}
OUTCOMES = "rating price amount quantity qty value discount disc total cost revenue review score star paid"
FEW, DISTINCT_ROWS = 30, 0.9
SEPARATORS = ("|", ";", ",", "/")


@dataclass(frozen=True)
class Proposal:
    """A `[[features]]` table; not `active`: written as a comment. `notes`: what was seen and why."""

    keys: dict[str, Any]
    notes: tuple[str, ...] = ()
    active: bool = True


@dataclass
class Names:
    """Names of features that are in use already."""

    used: set[str] = field(default_factory=set)

    def of(self, column: str, side: str) -> str:
        """Return a new name for the feature of `column`, as near to the column's as names allow."""
        name = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_").lower()
        if not re.match("[a-z]", name):
            name = f"{side}_{name}".rstrip("_")
        if name in ROW_NAMES or name in ITEM_NAMES:
            name = f"{side}_{name}"
        unique, number = name, 2
        while unique in self.used:
            unique, number = f"{name}_{number}", number + 1
        self.used.add(unique)
        return unique


def column_proposal(seen: Seen, side: str, rows: int, names: Names, log: Log) -> Proposal | str:
    """Return the feature of a column, or why it is none.

    side: user, item or context. rows: how many users, items or sessions have a value, at most.
    """
    if not seen.name:
        return "it has no name: give it one in the header"
    if seen.kind == "other":
        return "its type is no text, number or vector of one length"
    if seen.kind == "times":
        return "times: make a number or a category of it, such as the year"
    if seen.kind != "vectors" and seen.distinct < 2:
        return "it has one value only" if seen.distinct else "it is empty"
    kind = _kind(seen, rows, log)
    if isinstance(kind, str):
        return kind
    name = names.of(seen.name, side)
    keys = {"name": name, "kind": kind.pop("kind"), "side": side}
    if side == "context":
        keys["stage"] = "online"
    if name != seen.name:
        keys["column"] = seen.name
    return Proposal({**keys, **kind}, (seen.words(), *_hidden_numbers(seen, log)))


def _kind(seen: Seen, rows: int, log: Log) -> dict[str, Any] | str:
    """The keys that say what kind of feature it is."""
    if seen.kind == "vectors":
        return {"kind": "pretrained", "dim": seen.dim}
    coded = bool(CODES & set(words_of(seen.name)))
    if seen.kind == "numbers" or (seen.kind == "whole numbers" and seen.distinct > FEW and not coded):
        numbers = seen.numbers(log.decimal)
        wide = numbers.min() >= 0 and numbers.max() > 50 * max(float(np.median(numbers)), 1e-9)
        return {"kind": "numeric", **({"log": True} if wide else {}), "normalize": True}
    if seen.kind == "texts":
        if separator := _separator_in(seen.values):
            words = [len(value.split(separator)) for value in seen.values]
            return {"kind": "text", "separator": separator, "max_length": _length(words), "embedding_dim": 16}
        words = [len(value.split()) for value in seen.values]
        if np.mean(words) >= 3 or (np.mean(words) >= 1.5 and seen.distinct > rows / 2):
            return {"kind": "text", "max_length": _length(words), "embedding_dim": 16}
    if seen.distinct > DISTINCT_ROWS * rows and seen.distinct > FEW:
        return "nearly every value stands once, which teaches nothing"
    return {"kind": "categorical", "embedding_dim": 4 if seen.distinct <= 10 else 8 if seen.distinct <= 100 else 16}


def _length(words: list[int]) -> int:
    """Words to keep: all of 95% of the different texts, 32 at most."""
    return int(np.clip(np.ceil(np.quantile(words, 0.95)), 1, 32))


def _separator_in(values: list[str]) -> str | None:
    """The mark between words such as those of Action|Comedy; a mark other than | only where the words come again."""
    for mark in SEPARATORS:
        holding = [value for value in values if mark in value]
        if len(holding) < 0.1 * len(values):
            continue
        words = {word.strip().lower() for value in values for word in value.split(mark)}
        short = all(len(word.split()) <= 3 for word in words)
        if mark == "|" or (short and len(words) < 0.7 * len(values)):
            return mark
    return None


def _hidden_numbers(seen: Seen, log: Log) -> tuple[str, ...]:
    """A note where all but the texts that may mean null are numbers."""
    left = [value.strip().replace(log.decimal, ".") for value in seen.values if value not in seen.null_like]
    if seen.kind != "texts" or not seen.null_like or not left:
        return ()
    if not all(re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value) for value in left):
        return ()
    such = ", ".join(map(shown, seen.null_like))
    return (f"numbers but for {such}: with null_values = [{such}] it can be kind = 'numeric'",)


def says_the_same(seen: Seen, others: Iterable[Seen]) -> str | None:
    """Return the first of `others` whose values go with those of `seen` one to one, such as a code and its name.

    Columns that differ in nearly every row do so by themselves.
    """
    if seen.kind in ("numbers", "vectors") or seen.distinct > DISTINCT_ROWS * len(seen.codes):
        return None
    for other in others:
        if other.distinct == seen.distinct > 1 and other.kind not in ("numbers", "vectors"):
            pairs = np.unique(seen.codes * np.int64(other.distinct + 1) + other.codes)
            if len(pairs) == len(np.unique(seen.codes)):
                return other.name
    return None


def is_outcome(name: str) -> bool:
    """Return whether a column's name is of what comes of an interaction: a request cannot know it."""
    return bool({singular(word) for word in OUTCOMES.split()} & set(words_of(name)))


def side_of(seen: Seen, user: Seen | None, item: Seen | None) -> str:
    """Return what a column of the log describes: the user or the item that it does not change with, else the moment."""
    shares = {
        side: constant_share(key.codes, seen.codes) for side, key in (("user", user), ("item", item)) if key is not None
    }
    best = max(shares, key=lambda side: shares[side], default="context")
    return best if shares.get(best, 0) >= DISTINCT_ROWS else "context"
