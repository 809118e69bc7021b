"""Guesses of the user, item, session and time columns, by their names and then by their contents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from preprocessing.draft.clock import Clock, clock_of
from preprocessing.draft.columns import Seen
from preprocessing.log.tables import RawTable
from preprocessing.log_layout import Log

USER = (
    "user",
    "customer",
    "client",
    "member",
    "household",
    "visitor",
    "person",
    "buyer",
    "shopper",
    "reviewer",
    "account",
    "player",
    "listener",
    "viewer",
    "reader",
    "guest",
    "subscriber",
    "cust",
    "uid",
)
ITEM = (
    "item",
    "product",
    "article",
    "sku",
    "movie",
    "film",
    "song",
    "track",
    "video",
    "book",
    "isbn",
    "asin",
    "dish",
    "recipe",
    "game",
    "app",
    "stock",
    "listing",
    "course",
    "podcast",
    "episode",
    "artist",
    "album",
)
SESSION = ("session", "order", "basket", "invoice", "visit", "transaction", "cart", "trip", "receipt", "ticket")
TIME = ("time", "timestamp", "date", "datetime", "day", "when", "at", "ts", "dat", "created", "moment")
VALUE = ("price", "value", "amount", "revenue", "cost", "sales", "spend")
TITLE = ("title", "name", "description")
ID = frozenset({"id", "no", "nr", "number", "num", "code", "key", "idx", "index", "uid"})
NOT_IDS = "price cost value amount total quantity qty count discount revenue type kind group category class brand "
NOT_IDS += "status channel country city region age gender date time day rating score size color colour department"


@dataclass(frozen=True)
class Role:
    """A column for a role; `others` are possible too. Not `sure`: guessed from its contents, not from its name."""

    column: str
    others: tuple[str, ...] = ()
    sure: bool = True


def words_of(name: str) -> list[str]:
    """Return the words of a column's name, lower-cased, in the singular: `userIds` has `user` and `id`."""
    return [singular(part.lower()) for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]


def singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 else word


def likeness(name: str, role: tuple[str, ...]) -> int:
    """Return how similar a column's name is to that of a role; 0 is not at all."""
    words = words_of(name)
    named = [word for word in role if singular(word) in words]
    if not named:
        return 2 if any(len(word) > 3 and word in name.lower() for word in role) else 0
    return 4 + 2 * bool(ID & set(words)) + (len(words) == 1)


def time_of(log: RawTable, seen: Mapping[str, Seen], layout: Log, given: str | None) -> tuple[Role | None, Clock]:
    """Return the time column and its reading: the given column, or one that reads as times, preferably named so."""
    nothing = Clock({}, "")
    if given:
        return Role(given), clock_of(log.table[given], given, layout) if given in seen else nothing
    head = min(len(log), 1000)
    found: dict[str, int] = {}
    for name, column in seen.items():
        points = likeness(name, TIME)
        if column.kind in ("vectors", "other") or not (points or column.kind in ("times", "texts")):
            continue
        if clock_of(log.table[name].slice(0, head), name, layout).reads:
            found[name] = points
    ordered = sorted(found, key=lambda name: -found[name])
    if not ordered:
        numbered = [name for name in seen if likeness(name, (*TIME, "position", "pos", "rank", "sequence", "step"))]
        ordered = [name for name in numbered if seen[name].kind == "whole numbers"]
        if not ordered:
            return None, nothing
    chosen = ordered[0]
    return Role(chosen, tuple(ordered[1:])), clock_of(log.table[chosen], chosen, layout)


def id_role(seen: Mapping[str, Seen], role: tuple[str, ...], taken: set[str]) -> Role | None:
    """Return the column whose name is most similar to `role`, among those that may hold ids and are not `taken`."""
    never = {singular(word) for word in NOT_IDS.split()}
    points = {
        name: likeness(name, role)
        for name, column in seen.items()
        if name not in taken and column.kind in ("texts", "whole numbers") and not never & set(words_of(name))
    }
    ordered = sorted((name for name in points if points[name]), key=lambda name: -points[name])
    ordered = [name for name in ordered if seen[name].distinct > 1]
    return Role(ordered[0], tuple(ordered[1:])) if ordered else None


def repeating_column(seen: Mapping[str, Seen], taken: set[str]) -> Role | None:
    """Return the column with the most different repeated values, for a role that no column is named like."""
    rows = {name: len(column.codes) for name, column in seen.items()}
    found = [
        name
        for name, column in seen.items()
        if name not in taken and column.kind in ("texts", "whole numbers") and 1 < column.distinct <= 0.8 * rows[name]
    ]
    ordered = sorted(found, key=lambda name: -seen[name].distinct)
    return Role(ordered[0], tuple(ordered[1:]), sure=False) if ordered else None


def is_session(session: Seen, user: Seen | None) -> bool:
    """Return whether rows share sessions, and each session has one user."""
    if session.distinct > 0.95 * len(session.codes):
        return False
    return user is None or constant_share(session.codes, user.codes) > 0.95


def constant_share(key: np.ndarray, value: np.ndarray) -> float:  # type: ignore[type-arg]
    """Return the share of keys with only one value, among keys with two or more rows; 0 if there are none.

    key: [N] codes, -1 is null. value: [N] codes, -1 counts as a value.
    """
    known = key >= 0
    key, value = key[known], value[known] + 1
    rows = np.bincount(key)
    pairs = np.unique(key * np.int64(value.max(initial=0) + 1) + value)
    values = np.bincount(pairs // (value.max(initial=0) + 1), minlength=len(rows))
    often = rows > 1
    return float((values[often] == 1).mean()) if often.any() else 0.0
