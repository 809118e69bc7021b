"""A leave-one-out split as a Parquet file, in the layout of the MovieLens-1M file with one column more.

Columns: `user_id` and `item_id` (raw ids, text), `position` (order within the user, from 0), `part` (`train`,
`validation`, `test`). `preprocessing fit` reads it with `time_unit = "order"` and cuts it at the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class UserSplit:
    """One user's items.

    Attributes:
        train: Items of the train part, oldest first.
        validation: Item after them.
        test: Last item.

    """

    train: tuple[str, ...]
    validation: str
    test: str


def from_prefixes(
    train: Iterable[tuple[str, list[str], str]],
    validation: Iterable[tuple[str, list[str], str]],
    test: Iterable[tuple[str, list[str], str]],
) -> dict[str, UserSplit]:
    """Return the split behind expanded prefixes (user, history oldest first, target), as RecBole makes them.

    A user's train rows are in time order, so that their targets after the first history are the train part.

    Raises:
        ValueError: A history does not end with the item before the target.

    """
    trained: dict[str, list[str]] = {}
    for user, history, target in train:
        items = trained.setdefault(user, list(history))
        if items[-1] != history[-1]:
            raise ValueError(f"user {user}: a history ends with {history[-1]}, expected {items[-1]}")
        items.append(target)
    held: dict[str, tuple[list[str], str]] = {user: (history, target) for user, history, target in validation}
    split: dict[str, UserSplit] = {}
    for user, history, target in test:
        before, second_last = held[user]
        items = trained.get(user, before)
        if before[-1] != items[-1] or history[-1] != second_last:
            raise ValueError(f"user {user}: validation and test do not follow the train part")
        split[user] = UserSplit(tuple(items), second_last, target)
    return split


def write_split(split: Mapping[str, UserSplit], path: Path) -> None:
    """Write a split; its folder is made if it is absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[object]] = {name: [] for name in ("user_id", "position", "item_id", "part")}
    for user, of_user in split.items():
        items = [*of_user.train, of_user.validation, of_user.test]
        columns["user_id"] += [user] * len(items)
        columns["position"] += range(len(items))
        columns["item_id"] += items
        columns["part"] += ["train"] * len(of_user.train) + ["validation", "test"]
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_split(path: Path) -> dict[str, UserSplit]:
    """Return the split that `write_split` wrote.

    Raises:
        ValueError: A user's rows are not a train part, one validation row and one test row.

    """
    table = pq.read_table(path).sort_by([("user_id", "ascending"), ("position", "ascending")])
    rows: dict[str, list[tuple[str, str]]] = {}
    names = ("user_id", "item_id", "part")
    for user, item, part in zip(*(table[name].to_pylist() for name in names), strict=True):
        rows.setdefault(user, []).append((item, part))
    split: dict[str, UserSplit] = {}
    for user, of_user in rows.items():
        parts = [part for _, part in of_user]
        if parts[-2:] != ["validation", "test"] or set(parts[:-2]) - {"train"}:
            raise ValueError(f"{path}: user {user} has the parts {parts}, expected train rows, validation, test")
        items = [item for item, _ in of_user]
        split[user] = UserSplit(tuple(items[:-2]), items[-2], items[-1])
    return split
