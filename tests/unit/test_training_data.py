"""Batches sliced from flat arrays equal the rows in the Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.schema import read_fitted
from training.examples.moments import DataError, SplitData


def test_a_batch_holds_the_rows_in_the_order_asked_for(synthetic_data: Path) -> None:
    fitted = read_fitted(synthetic_data)
    data = SplitData(synthetic_data, "train", fitted)
    files = sorted((synthetic_data / "train").glob("week=*/*.parquet"))
    table = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).to_pylist()
    rows = np.array([5, 0, len(data) - 1, 5])
    batch = data.batch(rows)
    for name, values in batch.features.items():
        for place, row in enumerate(rows):
            want, seen = table[row][name], values[place].tolist()
            if isinstance(want, list):
                assert seen[: len(want)] == pytest.approx(want)
                assert not any(seen[len(want) :])
            else:
                assert seen == pytest.approx(want)
    known = [(place, item) for place, row in enumerate(rows) for item in table[row]["target"] if item >= 3]
    assert list(zip(batch.rows.tolist(), batch.targets.tolist(), strict=True)) == known
    assert [ids.tolist() for ids in data.target_lists(rows)] == [table[row]["target"] for row in rows]


def test_a_split_that_is_not_there_is_named(tmp_path: Path, synthetic_data: Path) -> None:
    with pytest.raises(DataError, match=r"no rows of test in .*preprocessing fit"):
        SplitData(tmp_path, "test", read_fitted(synthetic_data))
