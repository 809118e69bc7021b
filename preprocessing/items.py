"""The items of a fit: the vocabulary, the table of names, purchases by day and the index of encoded features."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.log.canonical import RawLog
from preprocessing.log.errors import LogError
from preprocessing.number_range import require_in_range
from preprocessing.schema import FIRST_KNOWN_ID, UNKNOWN_ID, Feature, Schema
from preprocessing.workflow import build_workflow, fit_workflow, load_workflow, to_fit_columns, transform

if TYPE_CHECKING:
    import pandas as pd

ITEM_TABLE = "items.parquet"
ITEM_INDEX = "item_index.parquet"
DAILY_PURCHASES = "daily_purchases.parquet"


def number_items(schema: Schema, log: RawLog, split: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Return every item of the log, row n for item number n: `item`, `purchases` (in training), `encoded_id`.

    Ids start at 3, the most purchased first, ties by name; an item rarer than `min_frequency` has id 2, unknown.
    """
    import pandas as pd

    train = split[log.interactions["session"]] == "train"
    purchases = np.bincount(log.interactions["item"][train], minlength=len(log.items))
    least = max(schema.item_id.min_frequency, 1)
    # Item numbers follow the order of names, so a stable sort leaves ties in that order.
    known = np.argsort(-purchases, kind="stable")[: int((purchases >= least).sum())]
    if not len(known):
        raise LogError(f"no item has {least} purchases in training: lower min_frequency of {schema.item_id.name!r}")
    ids = np.full(len(purchases), UNKNOWN_ID, dtype=np.int64)
    ids[known] = np.arange(FIRST_KNOWN_ID, FIRST_KNOWN_ID + len(known))
    return pd.DataFrame({"item": log.items.index, "purchases": purchases, "encoded_id": ids})


def known_items(items: pd.DataFrame) -> pd.DataFrame:
    """Return the vocabulary: the rows of `number_items` with an id, in the order of ids."""
    return items[items["encoded_id"] >= FIRST_KNOWN_ID].sort_values("encoded_id")


def write_item_table(schema: Schema, log: RawLog, items: pd.DataFrame, folder: Path) -> None:
    """Write every item of the log: `item_id` (raw), `encoded_id`, `purchases` (in training), `title`, raw features."""
    table = log.items.drop(columns=[schema.item_id.name]).reset_index(drop=True)
    table.insert(0, "item_id", items["item"])
    table.insert(1, "encoded_id", items["encoded_id"])
    table.insert(2, "purchases", items["purchases"])
    table.sort_values(["encoded_id", "item_id"], kind="stable").to_parquet(folder / ITEM_TABLE, index=False)


def write_daily_purchases(log: RawLog, items: pd.DataFrame, folder: Path) -> None:
    """Write `day` (local), `encoded_id`, `purchases` of the known items of the whole log, for popularity baselines."""
    day = log.sessions["time"].dt.normalize().to_numpy()[log.interactions["session"]]
    rows = log.interactions.assign(day=day, encoded_id=items["encoded_id"].to_numpy()[log.interactions["item"]])
    daily = rows[rows["encoded_id"] >= FIRST_KNOWN_ID].groupby(["day", "encoded_id"]).size()
    daily.rename("purchases").reset_index().to_parquet(folder / DAILY_PURCHASES, index=False)


def write_item_index(schema: Schema, log: RawLog, items: pd.DataFrame, folder: Path) -> None:
    """Write the table whose row r is item id r: `item_id` (raw; "" for special ids), `purchases`, encoded features.

    The item workflow, fitted on the vocabulary, is saved too, to encode changed items later.
    """
    import pandas as pd

    known, features = known_items(items), schema.item_features
    blank = [""] * FIRST_KNOWN_ID
    index = pd.DataFrame(
        {"item_id": blank + list(known["item"]), "purchases": [0] * len(blank) + list(known["purchases"])}
    )
    if features:
        rows = log.items.iloc[known.index].reset_index(drop=True)
        require_in_range(features, rows)
        workflow = build_workflow(features, known["item"], folder)
        fit_workflow(workflow, to_fit_columns(features, rows), folder / "item_workflow")
        shutil.rmtree(folder / "categories", ignore_errors=True)
        encoded = transform(load_workflow(folder / "item_workflow"), features, rows)
        for feature in features:
            special = [_special(feature, item_id) for item_id in range(FIRST_KNOWN_ID)]
            index[feature.name] = special + list(encoded[feature.name])
    index.to_parquet(folder / ITEM_INDEX, index=False)


def _special(feature: Feature, item_id: int) -> Any:
    """Return the feature values of the padding, null and unknown item: the special id of that meaning, or zeros."""
    match feature.encoded.form:
        case "list":
            return []
        case "vector":
            return [0.0] * feature.encoded.length
        case "scalar" if feature.ids == "vocabulary":
            return item_id
        case "scalar":
            return 0 if feature.ids else 0.0
