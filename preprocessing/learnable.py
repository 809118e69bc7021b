"""The check that the train period has values of each feature to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preprocessing.items import known_items
from preprocessing.log.canonical import RawLog
from preprocessing.log.errors import LogError
from preprocessing.schema import Schema, is_column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def require_learnable(schema: Schema, log: RawLog, split: np.ndarray[Any, Any], items: pd.DataFrame) -> None:
    """Refuse a feature that is null throughout the train period, because nothing could be learned for it.

    split: the split of every session. items: `number_items`.
    """
    train = log.sessions[split == "train"]
    rows = {
        "context": train,
        "user": log.users.loc[train["user"].unique()],
        "item": log.items.iloc[known_items(items).index],
    }
    whole = {"context": log.sessions, "user": log.users, "item": log.items}
    for feature in schema.features:
        if not (is_column(feature) and feature.has_null):
            continue
        if rows[feature.side][feature.name].isna().all():
            known = int(whole[feature.side][feature.name].notna().sum())
            raise LogError(
                f"column {feature.raw_column!r} is all null in the train period: drop the feature {feature.name!r}, "
                f"or move the split ({known:,} {_ROWS[feature.side]} of the whole log have a value)"
            )


_ROWS = {"context": "sessions", "user": "users", "item": "items"}
