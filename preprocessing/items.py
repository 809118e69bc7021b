"""The item side of a fit: the vocabulary, the table of names and the index of encoded features."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preprocessing.readers import LogError, RawLog
from preprocessing.schema import FIRST_KNOWN_ID, UNKNOWN_ID, Feature, Numeric, Pretrained, Schema, Text
from preprocessing.workflow import build_workflow, save_workflow, to_workflow_columns, transform

if TYPE_CHECKING:
    import pandas as pd

ITEM_TABLE = "items.parquet"
ITEM_INDEX = "item_index.parquet"
DAILY_PURCHASES = "daily_purchases.parquet"


def train_counts(schema: Schema, log: RawLog, sessions: pd.DataFrame) -> pd.Series[int]:
    """Purchases of the train period by item: falling, ties by name; items rarer than `min_frequency` left out.

    The place in this series, plus 3, is the item's id: "known values by falling frequency".
    """
    rows = log.interactions.join(sessions[["split"]], on=["user", "session"])
    counts = rows.loc[rows["split"] == "train", "item"].value_counts().rename_axis("item").reset_index(name="count")
    counts = counts.sort_values(["count", "item"], ascending=[False, True]).set_index("item")["count"]
    known = counts[counts >= schema.item_id.min_frequency]
    if known.empty:
        least = schema.item_id.min_frequency
        raise LogError(f"no item has {least} purchases in training: lower min_frequency of {schema.item_id.name!r}")
    return known


def write_item_table(schema: Schema, log: RawLog, counts: pd.Series[int], folder: Path) -> None:
    """Every item of the log: `item_id` (raw), `encoded_id`, `purchases` (in training), `title`, raw item features."""

    ids = item_ids(counts)
    table = log.items.rename_axis("item_id").drop(columns=[schema.item_id.name]).reset_index()
    table.insert(1, "encoded_id", table["item_id"].map(ids).fillna(UNKNOWN_ID).astype("int64"))
    table.insert(2, "purchases", table["item_id"].map(counts).fillna(0).astype("int64"))
    table.sort_values(["encoded_id", "item_id"], kind="stable").to_parquet(folder / ITEM_TABLE, index=False)


def write_daily_purchases(log: RawLog, counts: pd.Series[int], folder: Path) -> None:
    """`day` (local), `encoded_id`, `purchases`: the known items of the whole log, for popularity over any span."""
    ids = item_ids(counts)
    known = log.interactions[log.interactions["item"].isin(counts.index)]
    day = known["time"].dt.normalize().rename("day")
    encoded = known["item"].map(ids).rename("encoded_id")
    daily = known.groupby([day, encoded]).size().rename("purchases").reset_index()
    daily.to_parquet(folder / DAILY_PURCHASES, index=False)


def item_ids(counts: pd.Series[int]) -> pd.Series[int]:
    """The id of every known item, by its raw id."""
    import pandas as pd

    return pd.Series(range(FIRST_KNOWN_ID, FIRST_KNOWN_ID + len(counts)), index=counts.index)


def write_item_index(schema: Schema, log: RawLog, counts: pd.Series[int], folder: Path) -> None:
    """Row r describes item id r: `item_id` (raw; "" for the special ids), `purchases`, encoded item features.

    The item workflow, fitted on the vocabulary, is saved beside it to encode items that come later.
    """
    import nvtabular as nvt
    import pandas as pd

    blank = [""] * FIRST_KNOWN_ID
    index = pd.DataFrame({"item_id": blank + list(counts.index), "purchases": [0] * len(blank) + list(counts)})
    features = schema.item_features
    if features:
        known = log.items.loc[counts.index].reset_index(drop=True)
        workflow = build_workflow(features, counts.index.to_series(), folder / "categories")
        workflow.fit(nvt.Dataset(to_workflow_columns(features, known)))
        save_workflow(workflow, folder / "item_workflow")
        shutil.rmtree(folder / "categories", ignore_errors=True)
        encoded = transform(nvt.Workflow.load(str(folder / "item_workflow")), features, known)
        for feature in features:
            index[feature.name] = [_special(feature, item_id) for item_id in range(FIRST_KNOWN_ID)] + list(
                encoded[feature.name]
            )
    index.to_parquet(folder / ITEM_INDEX, index=False)


def _special(feature: Feature, item_id: int) -> Any:
    """What a padding, null or unknown item has for a feature: the special id of the same meaning, or nothing."""
    match feature:
        case Text():
            return []
        case Pretrained():
            return [0.0] * feature.dim
        case Numeric():
            return 0 if feature.buckets else 0.0
        case _:
            return item_id
