"""Whether the train period holds something to learn each vocabulary from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preprocessing.items import known_items
from preprocessing.log_columns import LogError
from preprocessing.raw_log import RawLog
from preprocessing.schema import Categorical, Schema, Text, is_column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def require_learnable(schema: Schema, log: RawLog, split: np.ndarray[Any, Any], items: pd.DataFrame) -> None:
    """Refuse a text or string feature that is null throughout the train period: it would have no vocabulary.

    split: of every session. items: `number_items`.
    """
    train = log.sessions[split == "train"]
    rows = {
        "context": train,
        "user": log.users.loc[train["user"].unique()],
        "item": log.items.iloc[known_items(items).index],
    }
    for feature in schema.features:
        if not isinstance(feature, Categorical | Text) or not is_column(feature):
            continue
        if rows[feature.side][feature.name].isna().all():
            raise LogError(
                f"column {feature.raw_column!r} is all null in the train period: drop the feature {feature.name!r}, "
                "or move the split"
            )
