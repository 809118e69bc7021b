"""Golden rows of next-item families: histories made from the vocabulary with a fixed seed, and malformed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from export.data.golden import UNICODE, Arrays, Row, read_item_ids
from export.next_item.plan import EXCLUDE, HISTORY, ITEM
from export.next_item.popular import PopularLists, read_popular
from export.parity.answers import best_items
from export.repository.golden_kind import GoldenKind, SharedModels
from export.repository.job import Job
from export.repository.models import Models
from export.repository.options import RepositoryOptions
from export.triton.tensors import ITEM_IDS
from preprocessing.ragged import pad_lists
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID, UNKNOWN_ID, FittedSchema
from training.families.next_item import NextItemModel
from training.layers.exclusion import exclude_items

TYPICAL, ANSWERS = 40, 20
"""The number of typical rows, and of a row's answers that its copy excludes."""
LONGEST_TYPICAL = 64
LIST = pa.list_(pa.string())


@dataclass(frozen=True)
class HistoryRequests:
    """`rows`: a history, excluded ids, an item for `similar_items`, and one value per context.

    `item_ids`: the raw id of every encoded id, "" for special ids. `contexts`: the features with popular lists.
    """

    item_ids: list[str]
    contexts: tuple[str, ...]
    rows: list[Row]

    @property
    def columns(self) -> pa.Schema:
        lists = {HISTORY.name: LIST, EXCLUDE.name: LIST}
        return pa.schema({**lists, **dict.fromkeys((ITEM.name, *self.contexts), pa.string())})

    @cached_property
    def encoded_ids(self) -> Mapping[str | None, int]:
        """The encoded id of every known raw id; null is padding, like ""."""
        known: dict[str | None, int] = {
            item: place for place, item in enumerate(self.item_ids) if place >= FIRST_KNOWN_ID
        }
        return known | {"": PADDING_ID, None: PADDING_ID}

    def as_tensors(self, rows: list[Row]) -> Arrays:
        """Return the request of a client with these rows, `next_item`'s: lists padded right with ""."""
        return request_of(rows, self.contexts)

    def items(self, rows: list[Row]) -> Arrays:
        """Return the request of `similar_items`."""
        return {ITEM.name: _strings([[row[ITEM.name]] for row in rows])}

    def ids(self, strings: list[str | None]) -> list[int]:
        """Return the ids of a list, those of padding and unknown items too."""
        return [self.encoded_ids.get(each, UNKNOWN_ID) for each in strings]

    def newest(self, row: Row, max_length: int) -> list[int]:
        """Return the ids that a model reads: the newest known ones, oldest first."""
        return [each for each in self.ids(row[HISTORY.name]) if each >= FIRST_KNOWN_ID][-max_length:]

    def excluded(self, row: Row, exclude_seen: bool) -> list[int]:
        """Return the ids that are no answers, unordered."""
        lists = [row[EXCLUDE.name], *([row[HISTORY.name]] if exclude_seen else [])]
        return sorted({each for strings in lists for each in self.ids(strings) if each >= FIRST_KNOWN_ID})


def request_of(rows: list[Row], contexts: tuple[str, ...]) -> Arrays:
    """Return the tensors of `next_item`: strings [B, L], [B, E], padded right with "", and [B, 1] per context."""
    lists = {name: _strings([row[name] for row in rows]) for name in (HISTORY.name, EXCLUDE.name)}
    return {**lists, **{name: _strings([[row[name]] for row in rows]) for name in contexts}}


HistoryJob = Job[HistoryRequests]


def _strings(lists: list[list[str | None]]) -> Any:
    width = max(1, *map(len, lists)) if lists else 1
    padded = [[(each or "").encode() for each in row] + [b""] * (width - len(row)) for row in lists]
    return np.array(padded, dtype=np.object_).reshape(len(lists), width)


def slow_answers(model: NextItemModel, table: Any, newest: list[int], excluded: list[int], top_k: int) -> Arrays:
    """Return item_ids and score [1, K] of one history, in torch."""
    import torch

    with torch.no_grad():
        scores = model.scores({HISTORY.name: torch.from_numpy(pad_lists([np.array(newest, dtype=np.int64)]))}, table)
    ids = torch.from_numpy(pad_lists([np.array(excluded, dtype=np.int64)]))
    return best_items(exclude_items(scores, [ids], -torch.inf), top_k)


def golden_histories(
    item_ids: list[str], popular: PopularLists, max_length: int, answers: Any, seed: int = 0
) -> list[Row]:
    """Return malformed rows, typical ones, and copies that exclude their own answers.

    `answers`: returns the raw ids of a history's best items.
    """
    known, random = item_ids[FIRST_KNOWN_ID:], np.random.default_rng(seed)
    values: list[dict[str, str | None]] = [dict.fromkeys(popular.contexts)]
    values += [{name: value} for name, lists in popular.list_ids.items() for value in [*lists][:3]]
    values += [{name: UNICODE} for name in popular.contexts]
    rows: list[Row] = []

    def some(count: int) -> list[str | None]:
        return [known[place] for place in random.integers(len(known), size=count)]

    def add(history: list[str | None], exclude: list[str | None] | None = None, item: str | None = None) -> None:
        context = {**dict.fromkeys(popular.contexts), **values[len(rows) % len(values)]}
        rows.append({HISTORY.name: history, EXCLUDE.name: exclude or [], ITEM.name: item or known[-1], **context})

    ugly: list[list[str | None]] = [
        [],
        [""],
        [None, "", None],
        [UNICODE],
        ["never seen"] * (max_length + 3),
        some(1),
        some(max_length),
        some(max_length + 10),
        [*some(max_length + 1), *["never seen"] * max_length, "", *some(2)],
        [UNICODE, *some(2), None, UNICODE, "", *some(1), "never seen"],
        some(1) * 5 + some(1),
        ["".join(known[:1]).upper() + "\u200b", *some(1)],
    ]
    for history in ugly:
        add(history, item=next((each for each in reversed(history) if each), None))
    add([], exclude=[*known[:3], "never seen", "", None], item=UNICODE)
    add(["never seen"], exclude=list(known), item=UNICODE)
    add(some(3), exclude=list(known))
    for _ in values:
        add([])
        add([UNICODE], item="never seen")
    for length in np.unique(np.geomspace(1, min(max_length, LONGEST_TYPICAL), TYPICAL).astype(int)).tolist() * 2:
        add(some(length), exclude=["", UNICODE], item=some(1)[0])
    for history in [row[HISTORY.name] for row in rows[-TYPICAL // 4 :]]:
        add(history, exclude=answers(history), item=some(1)[0])
    while len(rows) < TYPICAL + len(ugly):
        add(some(2), item=some(1)[0])
    return rows


def _make(source: Path, _fitted: FittedSchema, models: Models) -> HistoryRequests:
    [trained] = models.values()
    model, popular, item_ids = trained.whole, read_popular(source), read_item_ids(source)
    empty = HistoryRequests(item_ids, popular.contexts, [])
    table = model.catalogue()

    def answers(history: list[str | None]) -> list[str]:
        newest = empty.newest({HISTORY.name: history}, model.max_length)
        return [item_ids[each] for each in slow_answers(model, table, newest, [], ANSWERS)[ITEM_IDS][0]]

    rows = golden_histories(item_ids, popular, model.max_length, answers)
    return HistoryRequests(item_ids, popular.contexts, rows)


def _again(repository: Path, _fitted: FittedSchema, rows: list[Row]) -> HistoryRequests:
    given = (HISTORY.name, EXCLUDE.name, ITEM.name)
    return HistoryRequests(read_item_ids(repository), tuple(name for name in rows[0] if name not in given), rows)


def _write(job: HistoryJob, _options: RepositoryOptions) -> SharedModels:
    """Keep the raw ids, by which the repository is verified without MODEL."""
    pq.write_table(pa.table({"item_id": job.item_ids}), job.folder / "item_index.parquet")
    return SharedModels()


HISTORY_REQUESTS = GoldenKind(make=_make, again=_again, write=_write)
