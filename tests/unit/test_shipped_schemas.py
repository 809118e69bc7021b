"""Each shipped schema that reads a file fits a log of its columns; the smallest log that holds every case."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from preprocessing.changes import Changes
from preprocessing.fit import Summary, fit
from preprocessing.schema import SCHEMA_FOLDER, Schema, load_schema, read_fitted
from tests.shipped_logs import ITEMS, LOGS, USERS, visits

MOVIELENS_100K = Path(__file__).parents[3] / "shared" / "data" / "ml-100k"


def test_every_schema_that_reads_a_file_is_held_here() -> None:
    shipped = {path.stem for path in SCHEMA_FOLDER.glob("*.toml")}
    assert {name for name in shipped if load_schema(name).log.reader != "complete_journey"} == set(LOGS)


@pytest.mark.parametrize("name", LOGS)
def test_a_log_of_its_columns_is_fitted_with_every_feature(name: str, tmp_path: Path) -> None:
    schema = load_schema(name)
    (tmp_path / "log").mkdir()
    made = fit(schema, LOGS[name](tmp_path / "log"), tmp_path / "data")
    assert made.users == (USERS if schema.log.columns.user else 0)
    assert made.fitted.items == ITEMS + 3
    hold_every_feature(schema, made, tmp_path / "data")


def test_a_log_whose_columns_have_other_names_is_fitted_by_the_generic_schema(tmp_path: Path) -> None:
    visits().rename(columns={"user": "who", "item": "what", "time": "when"}).to_csv(tmp_path / "log.csv", index=False)
    schema = load_schema("generic").changed(Changes(columns="user=who,item=what,time=when"))
    hold_every_feature(schema, fit(schema, tmp_path / "log.csv", tmp_path / "data"), tmp_path / "data")


@pytest.mark.skipif(not MOVIELENS_100K.is_dir(), reason="MovieLens-100K is not there (../shared/data/ml-100k)")
def test_movielens_100k_is_fitted(tmp_path: Path) -> None:
    schema = load_schema("movielens")
    made = fit(schema, MOVIELENS_100K, tmp_path / "data")
    assert made.users == 943
    assert made.rows["validation"] == made.rows["test"] == 943
    assert made.rows["train"] <= 943 * 50
    hold_every_feature(schema, made, tmp_path / "data")


def hold_every_feature(schema: Schema, made: Summary, data: Path) -> None:
    """All splits have rows, every number is finite, every id within its cardinality, none has one value only."""
    fitted = read_fitted(data)
    assert fitted.digest == made.fitted.digest
    seen: dict[str, set[Any]] = {feature.name: set() for feature in schema.request_features}
    for split, count in made.rows.items():
        assert count > 0
        tables = [pq.ParquetFile(file).read().to_pandas() for file in (data / split).rglob("*.parquet")]
        assert sum(map(len, tables)) == count
        for table in tables:
            for name, values in seen.items():
                column = table[name]
                values.update(np.concatenate(column.tolist()) if column.dtype == object else column)
    index = pq.read_table(data / "item_index.parquet").to_pandas()
    assert len(index) == fitted.items
    for name, values in seen.items():
        assert np.isfinite(list(values)).all()
        assert len(values) > 1, name
        if name in fitted.learned and fitted.learned[name].cardinality:
            assert max(values) < fitted.cardinality(name)
    for feature in schema.item_features:
        assert index[feature.name].notna().all()
