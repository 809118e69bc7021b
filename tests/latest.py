"""The latest request of every user of a fit, read independently of the export."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from export.data.golden import Row
from preprocessing.schema import read_fitted


def latest_requests(data: Path) -> dict[str, Row]:
    """User -> what the user's latest request says."""
    names = [feature.name for feature in read_fitted(data).schema_.request_features]
    requests = pq.read_table(data / "requests").to_pandas().sort_values("time", kind="stable")
    latest = requests.groupby("user").tail(1)
    assert len(latest) == requests["user"].nunique()
    return {
        row["user"]: {name: v.tolist() if isinstance(v := row[name], np.ndarray) else v for name in names}
        for row in latest.to_dict("records")
    }
