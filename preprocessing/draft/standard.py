"""The features that need no column: histories, the session so far, the time of the request."""

from __future__ import annotations

from typing import Any

import numpy as np

from preprocessing.draft.clock import Clock
from preprocessing.draft.columns import Seen
from preprocessing.draft.proposals import Names, Proposal
from preprocessing.log_layout import Columns

SOME_REPEATS = 0.01


def repeat_share(user: Seen | None, session: Seen | None, item: Seen) -> float:
    """Return the share of interactions with an item that the user took in an earlier session or row."""
    if user is None:
        return 0.0
    key = [user.codes, item.codes] if session is None else [user.codes, session.codes, item.codes]
    every = np.column_stack(key)
    count = len(every) if session is None else len(np.unique(every, axis=0))
    return 1 - len(np.unique(np.column_stack([user.codes, item.codes]), axis=0)) / count


def excluded(columns: Columns, repeats: float) -> list[str]:
    """Return the sequences whose items are not recommended: the basket, and without repeats also the history."""
    history = columns.user is not None and repeats == 0
    return ["basket_items"] * (columns.session is not None) + ["recent_items"] * history


def standard_features(columns: Columns, clock: Clock, repeats: float, users: int, names: Names) -> list[Proposal]:
    """Return the features of the user's histories, of the session so far and of the time of the request."""
    found: list[Proposal] = []

    def add(name: str, kind: str, side: str, note: str = "", **keys: Any) -> None:
        stage = {"stage": "online"} if side == "context" else {}
        names.used.add(name)
        found.append(Proposal({"name": name, "kind": kind, "side": side, **stage, **keys}, (note,) if note else ()))

    if columns.user:
        own = {} if columns.user == "user_id" else {"column": columns.user}
        add("user_id", "categorical", "user", f"{users:,} users", **own, embedding_dim=32)
        encoder = {"type": "distilbert", "layers": 1, "heads": 2}
        repeat: dict[str, Any] = {"repeat": True} if repeats >= SOME_REPEATS else {}
        why = f"{repeats:.1%} of interactions repeat an item that the user took before; repeat = true pays if they do"
        add("recent_items", "sequence", "user", why, source="recent", max_length=50, encoder=encoder, **repeat)
        if repeat:
            add("frequent_items", "sequence", "user", source="frequent", max_length=50, **repeat)
    if columns.session:
        add("basket_items", "sequence", "context", source="session", max_length=32)
        buckets = [0.5, 1.5, 3.5, 7.5, 15.5]
        add("basket_size", "numeric", "context", source="session_size", buckets=buckets, embedding_dim=8)
    if columns.session and columns.value:
        add("basket_value", "numeric", "context", source="session_value", normalize=True)
    if clock.is_order:
        return found
    if clock.times is None or (clock.times.local.astype("M8[D]") != clock.times.local).any():
        add("hour", "categorical", "context", source="hour", dtype="int", embedding_dim=8)
    add("weekday", "categorical", "context", source="weekday", dtype="int", embedding_dim=4)
    if columns.user:
        clipped: dict[str, Any] = {"clip": [0.0, 365.0], "log": True, "normalize": True}
        add("days_since_last", "numeric", "context", source="days_since_last", **clipped)
    return found


def item_id(column: str, item: Seen, names: Names) -> Proposal:
    """Return the feature of the item's id; rare items are left out if most items are not rare."""
    rows = np.bincount(item.codes[item.codes >= 0], minlength=item.distinct)
    once = int((rows == 1).sum())
    keys: dict[str, Any] = {"name": "item_id", "kind": "categorical", "side": "item"}
    if column != "item_id":
        keys["column"] = column
    if once < item.distinct / 2:
        keys["min_frequency"] = 2
    names.used.add("item_id")
    note = (
        f"{item.distinct:,} items, {once:,} of them in one row; items rarer than min_frequency are never in an answer"
    )
    return Proposal({**keys, "embedding_dim": 64}, (note,))
