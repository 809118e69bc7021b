"""Features proposed from columns: the kind of each, and the reason if a column is not a feature."""

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
    """A `[[features]]` table; if not `active`, it is written as a comment. `notes`: what was found, and why."""

    keys: dict[str, Any]
    notes: tuple[str, ...] = ()
    active: bool = True


@dataclass
class Names:
    """The names of features that are already used."""

    used: set[str] = field(default_factory=set)

    def of(self, column: str, side: str) -> str:
        """Return a new name for the feature of `column`, as close to the column's as the rules for names allow."""
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
    """Return the feature of a column, or the reason why it is not one.

    side: user, item or context. rows: upper bound of the users, items or sessions with a value.
    """
    if not seen.name:
        return "it has no name: give it one in the header"
    if seen.kind == "other":
        return "its type is not text, number or vector of one length"
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
    """Return the keys of the feature's kind."""
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
        return "nearly every value occurs once, so nothing can be learned from it"
    return {"kind": "categorical", "embedding_dim": 4 if seen.distinct <= 10 else 8 if seen.distinct <= 100 else 16}


def _length(words: list[int]) -> int:
    """Return the number of words to keep: all words of 95% of the different texts, at most 32."""
    return int(np.clip(np.ceil(np.quantile(words, 0.95)), 1, 32))


def _separator_in(values: list[str]) -> str | None:
    """Return the separator of words such as those of Action|Comedy; other marks than | only if the words repeat."""
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
    """Return a note if all values are numbers except texts that may mean null."""
    left = [value.strip().replace(log.decimal, ".") for value in seen.values if value not in seen.null_like]
    if seen.kind != "texts" or not seen.null_like or not left:
        return ()
    if not all(re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value) for value in left):
        return ()
    such = ", ".join(map(shown, seen.null_like))
    return (f"numbers except for {such}: with null_values = [{such}] it can be kind = 'numeric'",)


def says_the_same(seen: Seen, others: Iterable[Seen]) -> str | None:
    """Return the first of `others` whose values correspond one to one to those of `seen`, such as a code and its name.

    Columns whose values differ in nearly every row do not count, because they always correspond.
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
    """Return whether a column's name is that of a result of the interaction, which a request cannot know."""
    return bool({singular(word) for word in OUTCOMES.split()} & set(words_of(name)))


def side_of(seen: Seen, user: Seen | None, item: Seen | None) -> str:
    """Return what a column of the log describes: the user or item for which it is constant, else the moment."""
    shares = {
        side: constant_share(key.codes, seen.codes) for side, key in (("user", user), ("item", item)) if key is not None
    }
    best = max(shares, key=lambda side: shares[side], default="context")
    return best if shares.get(best, 0) >= DISTINCT_ROWS else "context"
