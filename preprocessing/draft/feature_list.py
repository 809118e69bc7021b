"""The features that a draft proposes, and the columns that it leaves out, with reasons."""

from __future__ import annotations

import numpy as np

from preprocessing.draft.columns import Seen
from preprocessing.draft.proposals import Names, Proposal, column_proposal, is_outcome, says_the_same, side_of
from preprocessing.draft.roles import constant_share
from preprocessing.draft.standard import item_id, standard_features
from preprocessing.draft.tables import Found, Side
from preprocessing.log_layout import Columns

OFTEN = 0.5


def feature_list(found: Found, columns: Columns, repeats: float) -> tuple[list[Proposal], dict[str, str]]:
    """Return the proposals for the user, the moment and the item; and {column left out: reason}."""
    names, left = Names(), {}
    user, item = found.of_role("user"), found.of_role("item")
    proposals = standard_features(columns, found.clock, repeats, user.distinct if user else 0, names)
    of_items = [item_id(columns.item, item, names)] if item else []
    spoken_for = {role.column for role in found.roles.values()}
    if columns.title and "item" not in found.sides:
        spoken_for.add(columns.title)
    for name, seen in found.log.seen.items():
        if name in spoken_for:
            continue
        proposal = _of_log(found, seen, names)
        if isinstance(proposal, str):
            left[name] = proposal
        else:
            (of_items if proposal.keys["side"] == "item" else proposals).append(proposal)
    for side, table in found.sides.items():
        made = _of_table(table, side, names, found)
        for name, proposal in made.items():
            if isinstance(proposal, str):
                left[f"{name} of {table.looked.file.name}"] = proposal
            else:
                (of_items if side == "item" else proposals).append(proposal)
    return [*proposals, *of_items], left


def _of_log(found: Found, seen: Seen, names: Names) -> Proposal | str:
    """Return the feature of a column of the log itself."""
    user, item, session = (found.of_role(role) for role in ("user", "item", "session"))
    side = side_of(seen, user, item)
    if side in found.sides:
        return f"it describes the {side}, which has a table of its own: add it there"
    key = {"user": user, "item": item}.get(side)
    rows = key.distinct if key else session.distinct if session else len(seen.codes)
    proposal = column_proposal(seen, side, rows, names, found.layout)
    if isinstance(proposal, str) or side != "context":
        return proposal
    if is_outcome(seen.name):
        why = "choose: not proposed, it seems to describe what was taken, which a request does not know"
        return Proposal(_in_session(proposal.keys, session, seen), (*proposal.notes, why), active=False)
    changing = 1 - constant_share(session.codes, seen.codes) if session and _has_long(session) else 0.0
    if not changing:
        return proposal
    note = f"it changes inside {changing:.1%} of the sessions of two rows or more"
    if changing > OFTEN:
        why = f"choose: not proposed, {note}: it seems to describe what was taken, which a request does not know"
        return Proposal(_in_session(proposal.keys, session, seen), (*proposal.notes, why), active=False)
    return Proposal(_in_session(proposal.keys, session, seen), (*proposal.notes, f"{note}: the first value is taken"))


def _has_long(session: Seen) -> bool:
    return bool((np.bincount(session.codes[session.codes >= 0]) > 1).any())


def _in_session(keys: dict[str, object], session: Seen | None, seen: Seen) -> dict[str, object]:
    changes = session is not None and _has_long(session) and constant_share(session.codes, seen.codes) < 1
    return {**keys, "in_session": "first"} if changes else keys


def _of_table(side: Side, name: str, names: Names, found: Found) -> dict[str, Proposal | str]:
    """Return the features of a user or item table, by column."""
    made: dict[str, Proposal | str] = {}
    before: list[Seen] = []
    for column, seen in side.looked.seen.items():
        if column == side.key:
            continue
        same = says_the_same(seen, before)
        if same:
            made[column] = f"it has the same information as {same!r}"
            continue
        made[column] = column_proposal(seen, name, len(seen.codes), names, found.layout)
        before.append(seen)
    return made
