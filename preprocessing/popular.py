"""The items that were bought most in the train period, of the whole log and by context: answers to an empty history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from preprocessing.log.canonical import RawLog
from preprocessing.schema import FIRST_KNOWN_ID, Schema

if TYPE_CHECKING:
    import pandas as pd

POPULAR = "popular.parquet"
MOST = 1_000
"""The maximal number of items of one value."""
COLUMNS = pa.schema(
    [("feature", pa.string()), ("value", pa.string()), ("encoded_id", pa.int64()), ("purchases", pa.int64())]
)


def write_popular(schema: Schema, log: RawLog, sessions: pd.DataFrame, items: pd.DataFrame, folder: Path) -> None:
    """Write the known items of the whole log, and of each value of the schema's `popular_by`, best first.

    Columns: `feature` and `value` ("" for the whole log), `encoded_id`, `purchases`. Ties are in the order of ids. A
    session without a value counts for the whole log only.

    sessions: `session_rows.with_rows`. items: `number_items`.
    """
    import pandas as pd

    session = log.interactions["session"].to_numpy()
    ids = items["encoded_id"].to_numpy()[log.interactions["item"]]
    counted = (sessions["split"] == "train").to_numpy()[session] & (ids >= FIRST_KNOWN_ID)
    session, ids = session[counted], ids[counted]
    parts = [_ranked(pd.DataFrame({"feature": "", "value": "", "encoded_id": ids}))]
    for name in schema.popular_by:
        values = sessions[name].to_numpy()[session]
        rows = pd.DataFrame({"feature": name, "value": values, "encoded_id": ids})
        parts.append(_ranked(rows[rows["value"].notna()]))
    pq.write_table(pa.Table.from_pandas(pd.concat(parts), COLUMNS, preserve_index=False), folder / POPULAR)


def _ranked(rows: pd.DataFrame) -> pd.DataFrame:
    counted = rows.groupby(["feature", "value", "encoded_id"]).size().rename("purchases").reset_index()
    order = counted.sort_values(["value", "purchases", "encoded_id"], ascending=[True, False, True])
    return order.groupby("value", sort=False).head(MOST)
