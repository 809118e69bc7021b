"""User, item and session ids of a log's rows, as positions in sorted names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from preprocessing.log.errors import LogError
from preprocessing.log.tables import RawTable
from preprocessing.log.texts import Texts, texts
from preprocessing.schema import Schema

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class LogIds:
    """Ids of N rows: `user`, `item`, `session` [N] int64 are positions in `users`, `items`, `sessions`, sorted str."""

    user: Column
    item: Column
    session: Column
    users: Column
    items: Column
    sessions: Column
    own_sessions: bool

    def take(self, rows: Column) -> LogIds:
        """Return the ids of `rows`; a row that is a session of its own is named by its new position."""
        moved = replace(self, user=self.user[rows], item=self.item[rows], session=self.session[rows])
        return replace(moved, session=self.session) if self.own_sessions else moved

    def with_sessions_apart(self, given: Column, has_users: bool) -> LogIds:
        """Return the ids with a session of each split, where several files have one of the same name.

        given: [N] str, the split of every row. A session outside of training is named "test:NAME".
        """
        if self.own_sessions:
            return self
        splits, split = np.unique(given, return_inverse=True)
        keys, codes = np.unique(split * len(self.sessions) + self.session, return_inverse=True)
        pairs = zip(splits[keys // len(self.sessions)], self.sessions[keys % len(self.sessions)], strict=True)
        names = np.array([name if which == "train" else f"{which}:{name}" for which, name in pairs], dtype=object)
        order = np.argsort(names, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        apart = replace(self, session=place[codes], sessions=names[order])
        return apart if has_users else replace(apart, user=apart.session, users=apart.sessions)

    def first_rows(self, role: Literal["user", "item"]) -> Column:
        """Return the first row of every user or item, in the order of their names."""
        codes, names = (self.user, self.users) if role == "user" else (self.item, self.items)
        return first_rows(codes, len(names))

    def numbered_sessions(self) -> tuple[Column, Column, Column]:
        """Return [N] the session of every row, in the order of users and sessions; [S] the user and name of each."""
        import pandas as pd

        if self.own_sessions:
            order = np.argsort(self.user, kind="stable")
            number = np.empty(len(order), dtype=np.int64)
            number[order] = np.arange(len(order))
            return number, self.users[self.user[order]], self.sessions[order]
        number, keys = pd.factorize(self.user * len(self.sessions) + self.session, sort=True)
        return number, self.users[keys // len(self.sessions)], self.sessions[keys % len(self.sessions)]

    def repeats(self, instant: Column) -> int:
        """Count the rows with the user, item and instant of an earlier one; `instant` [N] is ascending."""
        again = np.flatnonzero(np.diff(instant) == 0)
        rows = np.union1d(again, again + 1)
        pair = self.user[rows] * len(self.items) + self.item[rows]
        order = np.lexsort((pair, instant[rows]))
        same = (np.diff(pair[order]) == 0) & (np.diff(instant[rows][order]) == 0)
        return int(same.sum())


def first_rows(codes: Column, count: int) -> Column:
    """Return the first row of each of `count` codes; every code occurs in `codes` [N]."""
    first = np.empty(count, dtype=np.int64)
    # NumPy keeps the last of several values written to one position.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return first


def last_rows(codes: Column, count: int) -> Column:
    """Return the last row of each of `count` codes."""
    last = np.empty(count, dtype=np.int64)
    last[codes] = np.arange(len(codes))
    return last


def read_ids(schema: Schema, log: RawTable) -> LogIds:
    """Read the ids of every row; without users a session counts as a user, without sessions a row is a session.

    Raises:
        LogError: A column is missing, a row has no id, or there is only one user or item.

    """
    columns = schema.log.columns
    named = {"user": columns.user, "item": columns.item, "time": columns.time, "session": columns.session}
    _require(log, [name for name in (*named.values(), columns.value) if name], columns.user)
    if not len(log):
        raise LogError("the log is empty: give a log with interactions")
    ids: dict[str, Texts] = {}
    for role, name in named.items():
        if name and role != "time":
            column = texts(log.column(name), name, schema.log)
            if column.nulls:
                raise LogError(f"column {name!r} ({role}): {column.nulls:,} rows have none, filter them out of the log")
            ids[role] = column.sorted()
    own_sessions = "session" not in ids
    if own_sessions:
        # Padded, so that sessions with equal instants stay in the order of the file.
        ids["session"] = Texts(
            np.arange(len(log)), np.array([f"{place:012}" for place in range(len(log))], dtype=object)
        )
    user = ids.get("user", ids["session"])
    if len(user.values) < 2:
        what = "user" if columns.user else "session"
        raise LogError(f"the log has a single {what} ({user.values[0]!r}): give the log of at least two")
    item, session = ids["item"], ids["session"]
    return LogIds(user.codes, item.codes, session.codes, user.values, item.values, session.values, own_sessions)


def _require(log: RawTable, names: list[str], user: str | None) -> None:
    for name in names:
        try:
            log.column(name)
        except LogError as error:
            if name != user:
                raise
            raise LogError(
                f"{error}; a log of orders or visits without users: --schema sessions --columns session=NAME,…"
            ) from None
