"""The popular lists of a model: the answers to a history without a known item."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.errors import GraphError
from export.next_item.plan import EXCLUDE, HISTORY, ITEM
from preprocessing.schema import FIRST_KNOWN_ID, NULL_ID, PADDING_ID, UNKNOWN_ID
from stage.parquet import read_columns

POPULAR_FILE = "popular.parquet"
LONGEST = 1000
"""The maximal number of items in a list."""

TRAIN_AGAIN = "train again, or give the output folder of `training fit`"


@dataclass(frozen=True)
class PopularLists:
    """V lists of at most M items, best first.

    A list has an id like a value of a vocabulary: 0, 1 and 2 (padding, null, unknown) are the list of the whole log.

    list_ids: the id of the list of each value, by feature. items: [V, M] encoded ids, padded right with 0. purchases:
    [V, M]. feature: [V], 0 for the whole log, else 1 + the number of the feature in `list_ids`.
    """

    list_ids: dict[str, dict[str, int]]
    items: NDArray[np.int64]
    purchases: NDArray[np.float32]
    feature: NDArray[np.int64]

    @property
    def contexts(self) -> tuple[str, ...]:
        return tuple(self.list_ids)

    def of(self, context: dict[str, str | None]) -> int:
        """Return the list of a row: of the first feature whose value has one, else of the whole log."""
        for name, lists in self.list_ids.items():
            if (value := context.get(name)) in lists:
                return lists[value or ""]
        return UNKNOWN_ID if any(context.get(name) for name in self.list_ids) else NULL_ID if self.list_ids else 0


def read_popular(model: Path) -> PopularLists:
    """Read `popular.parquet` of a model.

    Raises:
        ParquetError: The file is missing or damaged, or lacks a column.
        GraphError: A feature has the name of another tensor of the request, or there is no list of the whole log.

    """
    path = model / POPULAR_FILE
    table = read_columns(path, ["feature", "value", "encoded_id", "purchases"], TRAIN_AGAIN).to_pydict()
    lists: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for feature, value, item, purchases in zip(*table.values(), strict=True):
        if item >= FIRST_KNOWN_ID and bool(feature) == bool(value):
            lists.setdefault((feature, value), []).append((item, purchases))
    if ("", "") not in lists:
        raise GraphError(f"{path}: has no list of the whole log: {TRAIN_AGAIN}")
    return _lists(lists)


def _lists(lists: dict[tuple[str, str], list[tuple[int, int]]]) -> PopularLists:
    width = min(LONGEST, max(map(len, lists.values())))
    whole = lists[("", "")]
    rows, feature = [whole] * FIRST_KNOWN_ID, [0] * FIRST_KNOWN_ID
    list_ids: dict[str, dict[str, int]] = {}
    for (name, value), content in lists.items():
        if not name:
            continue
        if name in (HISTORY.name, EXCLUDE.name, ITEM.name):
            raise GraphError(f"{name}: is a feature with popular lists, and an input of every request: rename it")
        list_ids.setdefault(name, {})[value] = len(rows)
        rows.append(content)
        feature.append(list(list_ids).index(name) + 1)
    items = np.full((len(rows), width), PADDING_ID, dtype=np.int64)
    purchases = np.zeros((len(rows), width), dtype=np.float32)
    for row, content in enumerate(rows):
        kept = content[:width]
        items[row, : len(kept)] = [item for item, _ in kept]
        purchases[row, : len(kept)] = [count for _, count in kept]
    return PopularLists(list_ids, items, purchases, np.array(feature, dtype=np.int64))
