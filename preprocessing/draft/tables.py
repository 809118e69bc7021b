"""The inspected log with its user and item tables, and the columns of each role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preprocessing.draft.clock import Clock
from preprocessing.draft.columns import Seen, decimal_comma_seen, look
from preprocessing.draft.roles import (
    ITEM,
    SESSION,
    TITLE,
    USER,
    VALUE,
    Role,
    id_role,
    is_session,
    likeness,
    repeating_column,
    time_of,
)
from preprocessing.draft.sample import first_rows, separator_seen
from preprocessing.log.errors import LogError
from preprocessing.log.files import find_log
from preprocessing.log.read import Source
from preprocessing.log.tables import RawTable
from preprocessing.log_layout import Log


@dataclass(frozen=True)
class Looked:
    """One table; `more`: it has more rows than were read."""

    file: Path
    table: RawTable
    seen: dict[str, Seen]
    more: bool


@dataclass(frozen=True)
class Side:
    """A user or item table: its id column, and how many of the `of` ids in the log it has."""

    looked: Looked
    key: str
    matched: int
    of: int


@dataclass(frozen=True)
class Found:
    """The findings from which a draft is made.

    Attributes:
        layout: Certain facts about reading the log.
        guessed: Guessed keys of `[log]` -> reason.
        roles: Role -> its column.

    """

    log: Looked
    layout: Log
    guessed: dict[str, str]
    roles: dict[str, Role]
    clock: Clock
    sides: dict[str, Side]

    def of_role(self, role: str) -> Seen | None:
        """Return the column of a role, None if the log has none."""
        return self.log.seen.get(self.roles[role].column) if role in self.roles else None


def find(source: Source, layout: Log, given: Mapping[str, str]) -> Found:
    """Read the first rows of every table and guess the role of each column that `given` does not name."""
    path = find_log(Path(str(source.log)))
    guessed: dict[str, str] = {}
    if mark := separator_seen(path, layout):
        layout = layout.model_copy(update={"separator": mark})
        guessed["separator"] = "with a comma the header is a single column"
    log = _look(path, "the log", layout)
    if layout.separator not in (None, ",") and (column := decimal_comma_seen(log.table, layout)):
        layout = layout.model_copy(update={"decimal": ","})
        guessed["decimal"] = f"column {column!r} has numbers such as 1,50"
        log = Looked(path, log.table, look(log.table, layout), log.more)
    roles, clock = _roles(log, layout, given)
    sides = {}
    for side, file, key in (("user", source.users, layout.users_key), ("item", source.items, layout.items_key)):
        ids = log.seen.get(roles[side].column) if side in roles else None
        if file and ids is None:
            raise LogError(
                f"--{side}s {file}: no column of the log looks like the {side}: name it, --columns {side}=NAME; the "
                f"columns are {', '.join(log.seen)}"
            )
        if file and ids is not None:
            sides[side] = _side(_look(Path(file), f"the {side} table", layout), ids, key)
    return Found(log, layout, guessed, roles, clock, sides)


def _look(file: Path, name: str, layout: Log) -> Looked:
    table, more = first_rows(file, name, layout)
    return Looked(file, table, look(table, layout), more)


def _side(looked: Looked, ids: Seen, given: str | None) -> Side:
    """Return the id column: the given one, or the one with most of the log's ids, preferably of the same name."""
    known = set(ids.values)
    matched = {name: len(known & set(seen.values)) for name, seen in looked.seen.items()}
    key = given or max(matched, key=lambda name: (matched[name], name == ids.name, likeness(name, (*USER, *ITEM))))
    return Side(looked, key, matched.get(key, 0), len(known))


def _roles(log: Looked, layout: Log, given: Mapping[str, str]) -> tuple[dict[str, Role], Clock]:
    seen = log.seen
    roles = {role: Role(column) for role, column in given.items()}
    taken = set(given.values())
    time, clock = time_of(log.table, {n: s for n, s in seen.items() if n not in taken}, layout, None)
    if "time" in given:
        time, clock = time_of(log.table, seen, layout, given["time"])

    def take(role: str, found: Role | None) -> None:
        if found and role not in roles:
            roles[role] = found
            taken.add(found.column)

    take("time", time)
    take("item", id_role(seen, ITEM, taken))
    take("user", id_role(seen, USER, taken))
    session = id_role(seen, SESSION, taken)
    user = seen.get(roles["user"].column) if "user" in roles else None
    if session and is_session(seen[session.column], user):
        take("session", session)
    take("item", repeating_column(seen, taken))
    if "session" not in roles:
        take("user", repeating_column(seen, taken))
    if "session" in roles:
        named = [name for name in seen if name not in taken and likeness(name, VALUE)]
        numbers = [name for name in named if seen[name].kind in ("numbers", "whole numbers")]
        take("value", Role(numbers[0], tuple(numbers[1:])) if numbers else None)
    return roles, clock


def title_in(table: Mapping[str, Seen], key: str) -> str | None:
    """Return the column that seems to be the name of an item."""
    named = [name for name in table if name != key and table[name].kind == "texts" and likeness(name, TITLE)]
    return max(named, key=lambda name: (table[name].distinct, likeness(name, TITLE)), default=None)
