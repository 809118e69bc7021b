"""A schema of item ids alone: models of histories train on it, and the others refuse it in one line."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from preprocessing.fit import fit
from preprocessing.schema import load_schema, read_fitted
from tests.in_process import run_in_process
from tests.once import made_once


@pytest.fixture(scope="module")
def data(run_folder: Path) -> Path:
    return made_once(run_folder / "ids-alone", _fitted)


def _fitted(folder: Path) -> None:
    random = np.random.default_rng(5)
    rows = [(user, place, item) for user in range(30) for place, item in enumerate(random.permutation(20)[:12])]
    folder.mkdir()
    log = pd.DataFrame(rows, columns=["user_id", "position", "item_id"])
    log.to_parquet(folder / "interactions.parquet", index=False)
    fit(load_schema("movielens_1m"), folder, folder / "data")


def test_the_fit_has_sequences_rows_without_features_and_no_workflow(data: Path) -> None:
    names = {path.name for path in (data / "data").iterdir()}
    assert {"sequences.parquet", "popular.parquet", "item_index.parquet", "train", "requests"} <= names
    assert not names & {"workflow", "item_workflow", "daily_purchases.parquet"}
    test = pq.ParquetFile(next((data / "data" / "test").rglob("*.parquet"))).read()
    assert (test.column_names, test.num_rows) == (["target"], 30)
    assert read_fitted(data / "data").schema_.request_features == ()


@pytest.mark.parametrize("family", ["two_tower", "offline_online"])
def test_a_family_that_reads_requests_refuses_it_in_one_line(family: str, data: Path, tmp_path: Path) -> None:
    words = ("--data", data / "data", "--output", tmp_path / "model", "--no-tracking", "--best-by", "ndcg@5")
    done = run_in_process("training", "fit", "--family", family, *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"has no feature of the user or the context, and {family} reads these: add one" in done.stderr
    assert not (tmp_path / "model").exists()


def test_a_model_of_histories_trains_and_takes_the_popular_items_with_it(data: Path, tmp_path: Path) -> None:
    words = ("--data", data / "data", "--output", tmp_path / "model", "--no-tracking", "--epochs", 1, "--dim", 8)
    done = run_in_process("training", "fit", "--family", "sasrec", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "popular.parquet").read_bytes() == (data / "data" / "popular.parquet").read_bytes()
    done = run_in_process("training", "evaluate", "--data", data / "data", "--model", tmp_path / "model")
    assert done.returncode == 0, done.stderr


def test_data_of_an_earlier_version_are_refused_by_name(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "data", tmp_path / "data")
    (tmp_path / "data" / "popular.parquet").unlink()
    words = ("--data", tmp_path / "data", "--output", tmp_path / "model", "--no-tracking")
    done = run_in_process("training", "fit", "--family", "sasrec", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no popular.parquet in" in done.stderr
    assert "run the fit again" in done.stderr
