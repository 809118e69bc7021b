"""The summary of a log: the few lines that show errors in the data before a model is trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Spans:
    """The first and the last local time of the log."""

    first: np.datetime64
    last: np.datetime64

    def words(self) -> tuple[str, str]:
        """Return both to the second, as ISO 8601."""
        first, last = (str(np.datetime64(each, "s")).replace("T", " ") for each in (self.first, self.last))
        return first, last


@dataclass(frozen=True)
class Join:
    """The number of the log's `of` users or items (`side`) that a table with `rows` ids has.

    `repeated`: rows with the id of an earlier row; they are not read. `nameless`: rows without an id; not read either.
    """

    table: str
    rows: int
    matched: int
    of: int
    side: str
    repeated: int = 0
    nameless: int = 0

    def lines(self) -> list[str]:
        """Return lines on how the table matched, and on its rows that were not read."""
        found = [f"{self.side}s of the log found in {self.table}: {self.matched:,} of {self.of:,}"]
        if self.repeated:
            found.append(f"{self.table}: {self.repeated:,} rows repeat an id, the first of each was used")
        if self.nameless:
            found.append(f"{self.table}: {self.nameless:,} rows without an id were left out")
        return found


@dataclass(frozen=True)
class ReadReport:
    """The numbers of what was read.

    Attributes:
        rows: Interactions of the log.
        users: Users of the log, 0 if it has no user column.
        items: Items of the log.
        sessions: Sessions of the log.
        times: The way times were read.
        spans: First and last time; None if times are only an order.
        repeated_rows: Rows with the user (without users the session), item and time of an earlier one.
        merged_rows: Rows that were merged into another one of the same session and item.
        joins: Matches of the user and item tables.
        nulls: Feature read from a column -> share of sessions, users or items without it.

    """

    rows: int
    users: int
    items: int
    sessions: int
    times: str
    spans: Spans | None
    repeated_rows: int
    merged_rows: int
    joins: tuple[Join, ...]
    nulls: dict[str, float]

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        people = f"{self.users:,} users, " if self.users else ""
        found = [f"read {self.rows:,} rows: {people}{self.sessions:,} sessions, {self.items:,} items"]
        if self.spans:
            first, last = self.spans.words()
            found.append(f"times from {first} to {last} ({self.times})")
        else:
            found.append("times are only an order")
        if self.repeated_rows:
            who = "user" if self.users else "session"
            found.append(f"{self.repeated_rows:,} rows repeat the {who}, item and time of another row")
        if self.merged_rows:
            found.append(
                f"{self.merged_rows:,} rows were merged: a session has an item once, with the sum of the values"
            )
        for each in self.joins:
            found += each.lines()
        some = {name: share for name, share in self.nulls.items() if share}
        if some:
            found.append("without a value: " + ", ".join(f"{name} {_percent(share)}" for name, share in some.items()))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the report for the command's last line."""
        first, last = self.spans.words() if self.spans else (None, None)
        return {
            "rows": self.rows,
            "sessions": self.sessions,
            "items": self.items,
            "first": first,
            "last": last,
            "times": self.times,
            "repeated_rows": self.repeated_rows,
            "merged_rows": self.merged_rows,
            "joins": {each.side: _counts(each) for each in self.joins},
            "nulls": {name: round(share, 4) for name, share in self.nulls.items() if share},
        }


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def _counts(join: Join) -> dict[str, int]:
    return {
        "matched": join.matched,
        "of": join.of,
        "rows": join.rows,
        "repeated": join.repeated,
        "nameless": join.nameless,
    }
