"""Item sequences of users or sessions as examples: flat arrays in memory, from which a batch is sliced by row numbers.

Prefixes are not copied: a sequence is a slice of the flat arrays, and so is the history of every example.
"""

from __future__ import annotations

from collections.abc import Sequence as Indices
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema
from training.examples.length_batches import LengthBatches
from training.examples.sequence_file import SPLIT_CODES, Also, Array, SequencesError, Users, padded, read_users


class TrainingSequences(torch.utils.data.Dataset[int]):
    """M numbered sequences: the training items of every user or session, oldest first.

    each: the owner of a sequence. max_length: the maximal number of items. Of a longer sequence the newest are used
    or, with `windows`, all, as several sequences that share one item, so every pair of neighbours is in one sequence.
    Sequences with a single item are left out, as are unknown items. also: columns besides `items`. users: also its
    user's row number.
    """

    def __init__(
        self,
        data: str | Path,
        max_length: int,
        each: Literal["user", "session"] = "user",
        windows: bool = False,
        also: tuple[Also, ...] = (),
        users: bool = False,
    ) -> None:
        if max_length < 2:
            raise ValueError(f"max_length {max_length}: a sequence with fewer than 2 items has no next item")
        held: dict[str, list[Array]] = {name: [] for name in ("items", *also)}
        counts, owners = [], []
        for group in read_users(data, tuple(held)):
            taken = np.flatnonzero(group.trains() & (group.columns["items"] >= FIRST_KNOWN_ID))
            owner = group.user[taken]
            if each == "session":
                taken = taken[np.argsort(group.session[taken], kind="stable")]
                owner = group.session[taken]
            counts.append(np.bincount(owner))
            owners.append(group.before + group.user[taken])
            for name, parts in held.items():
                parts.append(group.columns[name][taken])
        self._flat = {name: np.concatenate(parts) for name, parts in held.items()}
        self._begin, self._end = _slices(np.concatenate(counts), max_length, windows)
        if not len(self._end):
            raise SequencesError(f"{data}: no {each} has two training items: give a longer log, or another split")
        self._users = torch.from_numpy(np.concatenate(owners)[self._begin]) if users else None

    def __len__(self) -> int:
        return len(self._end)

    def __getitem__(self, number: int) -> int:
        return number

    @property
    def lengths(self) -> Array:
        """Return the number of items of each sequence, [M]."""
        lengths: Array = self._end - self._begin
        return lengths

    def target_counts(self, items: int) -> Array:
        """Return how often each item id follows another, [items] int64."""
        first = np.zeros(len(self._flat["items"]) + 1, dtype=np.int64)
        np.add.at(first, self._begin + 1, 1)
        np.add.at(first, self._end, -1)
        counts: Array = np.bincount(np.repeat(self._flat["items"], np.cumsum(first[:-1])), minlength=items)
        return counts

    def batches(self, batch_size: int, seed: int) -> LengthBatches:
        """Return batches of sequences with similar lengths."""
        return LengthBatches(self.lengths, batch_size, seed)

    def collate(self, numbers: Indices[int]) -> dict[str, Tensor]:
        """Return `items` and the columns `also`, [B, L] int64, padded right with 0, and `users` [B] if requested."""
        chosen = np.asarray(numbers, dtype=np.int64)
        begin, end = self._begin[chosen], self._end[chosen]
        columns = {name: torch.from_numpy(padded(values, begin, end)) for name, values in self._flat.items()}
        return columns if self._users is None else columns | {"users": self._users[chosen]}


def _slices(counts: Array, max_length: int, windows: bool) -> tuple[Array, Array]:
    """Return begin and end of the sequences in the flat arrays; `counts`: items of each owner."""
    ends = np.cumsum(counts)
    begins = ends - counts
    if windows:
        step = max_length - 1
        parts = np.maximum(-(-(counts - 1) // step), 1)
        from_last = np.repeat(np.cumsum(parts), parts) - 1 - np.arange(parts.sum())
        ends, begins = np.repeat(ends, parts) - from_last * step, np.repeat(begins, parts)
    begins = np.maximum(begins, ends - max_length)
    some = ends - begins >= 2
    return begins[some], ends[some]


@dataclass(frozen=True)
class ExampleBatch:
    """B examples.

    index: [B] int64, the numbers of the examples, equal to those of the split's moments. history: `items` and the
    columns `also`, [B, L] int64, oldest first, padded right with 0. session: [B, L'] int64, the items of the session
    so far, likewise. rows, targets: [T] int64, the row and the item id of every target in the catalogue.
    """

    index: Array
    history: dict[str, Tensor]
    session: Tensor
    rows: Tensor
    targets: Tensor


class SequenceExamples(torch.utils.data.Dataset[int]):
    """The moments of a split as slices of sequences: example r is row r of the split's moments.

    Its history is what the user took strictly before the session began (in a random split, only training items), the
    newest `max_length` items; its targets are the moment's.
    """

    def __init__(
        self, data: str | Path, split: str, fitted: FittedSchema, max_length: int, also: tuple[Also, ...] = ()
    ) -> None:
        held: dict[str, list[Array]] = {name: [] for name in ("items", *also)}
        made: list[_Part] = []
        known, own = 0, 0
        for users in read_users(data, ("items", "instants", "cuts", "rows")):
            part, history = _examples(users, SPLIT_CODES[split], fitted.schema_.split.kind == "random")
            made.append(part.moved(known, own))
            known, own = known + len(history), own + len(part.items)
            for name, parts in held.items():
                parts.append(users.columns[name][history])
        order = np.argsort(np.concatenate([part.row for part in made]))
        if not len(order):
            raise SequencesError(f"no rows of {split} in {data}: give the output folder of `preprocessing fit`")
        self._flat = {name: np.concatenate(parts) for name, parts in held.items()}
        self._items = np.concatenate([part.items for part in made])
        self.begins, self.users, self._history_end, self._session_begin, self._cut, self._end = (
            np.concatenate([getattr(part, name) for part in made])[order]
            for name in ("instant", "user", "history_end", "begin", "cut", "end")
        )
        """begins, users: the instant at which each example's session began, its user's row number, [R] int64."""
        begin = np.concatenate([part.history_begin for part in made])[order]
        self._history_begin = np.maximum(begin, self._history_end - max_length)

    def __len__(self) -> int:
        return len(self._end)

    def __getitem__(self, row: int) -> int:
        return row

    @property
    def lengths(self) -> Array:
        """Return the number of items of each history, [R]."""
        lengths: Array = self._history_end - self._history_begin
        return lengths

    def batch(self, rows: Indices[int]) -> ExampleBatch:
        """Return some examples, [B]."""
        chosen = np.asarray(rows, dtype=np.int64)
        begin, end = self._history_begin[chosen], self._history_end[chosen]
        history = {name: torch.from_numpy(padded(values, begin, end)) for name, values in self._flat.items()}
        session = torch.from_numpy(padded(self._items, self._session_begin[chosen], self._cut[chosen]))
        targets = padded(self._items, self._cut[chosen], self._end[chosen])
        owner, place = np.nonzero(targets >= FIRST_KNOWN_ID)
        return ExampleBatch(chosen, history, session, torch.from_numpy(owner), torch.from_numpy(targets[owner, place]))

    def known_items(self, rows: Array) -> tuple[Array, Array]:
        """Return the known items of `rows` before the cut, history and session, flat: ([T], how many per row [B])."""
        begins = np.stack([self._history_begin[rows], self._session_begin[rows]], axis=1)
        lengths = np.stack([self._history_end[rows], self._cut[rows]], axis=1) - begins
        ends = np.cumsum(lengths).reshape(-1, 2)
        values = np.empty(int(lengths.sum()), dtype=np.int64)
        for place, flat in enumerate((self._flat["items"], self._items)):
            count = lengths[:, place]
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            values[np.repeat(ends[:, place] - count, count) + within] = flat[
                np.repeat(begins[:, place], count) + within
            ]
        owner = np.repeat(np.arange(len(lengths)), lengths.sum(axis=1))
        is_known = values >= FIRST_KNOWN_ID
        return values[is_known], np.bincount(owner[is_known], minlength=len(lengths))

    def target_lists(self, rows: Array) -> list[Array]:
        """Return all targets of each row, including unknown ones (id 2)."""
        return [self._items[self._cut[row] : self._end[row]] for row in rows]


@dataclass(frozen=True)
class _Part:
    """E examples of some users: flat `items` of their sessions; all others [E], including positions in flat arrays."""

    items: Array
    row: Array
    user: Array
    instant: Array
    history_begin: Array
    history_end: Array
    begin: Array
    cut: Array
    end: Array

    def moved(self, history: int, items: int) -> _Part:
        """Return the part shifted by the number of items of earlier parts."""
        by = {"history_begin": history, "history_end": history, "begin": items, "cut": items, "end": items}
        return replace(self, **{name: getattr(self, name) + shift for name, shift in by.items()})


def _examples(users: Users, split: int, train_only: bool) -> tuple[_Part, Array]:
    """Return the examples of a split, and the positions of the items of their users' histories."""
    items, instants, session = users.columns["items"], users.columns["instants"], users.session
    chosen = np.flatnonzero((users.columns["splits"] == split) & (users.columns["rows"] >= 0))
    count = len(items)
    new_user = np.r_[True, np.diff(users.user) != 0]
    begins = np.flatnonzero(new_user)
    # The first item of the same user and instant: items before it were taken strictly earlier.
    tied = np.maximum.accumulate(np.where(new_user | np.r_[True, np.diff(instants) != 0], np.arange(count), 0))
    first = np.empty(len(users.user_of_session), dtype=np.int64)
    first[session[::-1]] = np.arange(count - 1, -1, -1)
    asked = np.zeros(len(begins), dtype=bool)
    asked[users.user_of_session[chosen]] = True
    in_history = asked[users.user] & users.trains() if train_only else asked[users.user]
    place = np.r_[0, np.cumsum(in_history)]
    owned = np.zeros(len(first), dtype=bool)
    owned[chosen] = True
    by_session = np.argsort(session, kind="stable")
    own = by_session[owned[session[by_session]]]
    ends = np.cumsum(np.bincount(session, minlength=len(first))[chosen])
    starts = np.r_[0, ends][:-1]
    part = _Part(
        items=items[own],
        row=users.columns["rows"][chosen],
        user=users.before + users.user_of_session[chosen],
        instant=instants[first[chosen]],
        history_begin=place[begins[users.user_of_session[chosen]]],
        history_end=place[tied[first[chosen]]],
        begin=starts,
        cut=starts + users.columns["cuts"][chosen],
        end=ends,
    )
    return part, np.flatnonzero(in_history)
