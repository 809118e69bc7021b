"""Data that are torn, or of another fit, are refused by file and column, by the commands that read them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from export.commands.embeddings import export_embeddings
from export.data.golden import golden_rows, read_item_ids
from preprocessing.schema import read_fitted
from stage.parquet import ParquetError
from tests.exported import repository
from tests.in_process import run_in_process


@pytest.fixture
def data(synthetic_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(synthetic_data, tmp_path / "data")


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def without(column: str) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pq.read_table(path, partitioning=None).drop_columns([column]), path)


def shorten(path: Path) -> None:
    pq.write_table(pq.read_table(path, partitioning=None).slice(0, 1), path)


def golden(data: Path) -> object:
    return golden_rows(data, read_fitted(data))


@pytest.mark.parametrize(
    ("read", "pattern", "spoil", "message"),
    [
        (read_item_ids, "item_index.parquet", Path.unlink, "no such file: run"),
        (read_item_ids, "item_index.parquet", tear, r"cannot be read as Parquet \("),
        (read_item_ids, "item_index.parquet", without("item_id"), "has no column 'item_id': run"),
        (golden, "requests/validation/week=*/*.parquet", tear, r"cannot be read as Parquet \("),
        (golden, "requests/validation/week=*/*.parquet", without("recent"), "has no column 'recent': run"),
    ],
)
def test_a_spoilt_file_is_named_with_the_remedy(
    data: Path, read: Callable[[Path], object], pattern: str, spoil: Callable[[Path], None], message: str
) -> None:
    path = min(data.glob(pattern))
    spoil(path)
    with pytest.raises(ParquetError, match=f"^{path}: {message}"):
        read(data)


@pytest.mark.parametrize(
    ("pattern", "spoil", "message"),
    [
        ("requests/train/week=*/*.parquet", tear, r"cannot be read as Parquet \("),
        ("requests/train/week=*/*.parquet", without("time"), "has no column 'time': run"),
        ("test/week=*/*.parquet", Path.unlink, "no such file: run"),
        ("test/week=*/*.parquet", tear, r"cannot be read as Parquet \("),
        ("test/week=*/*.parquet", without("recent"), "has no column 'recent': run"),
        ("test/week=*/*.parquet", shorten, "has 1 rows, fewer than its requests: run"),
    ],
)
def test_embeddings_of_spoilt_data_are_refused_and_not_written(
    synthetic_data: Path, data: Path, tmp_path: Path, pattern: str, spoil: Callable[[Path], None], message: str
) -> None:
    path = max(data.glob(pattern))
    spoil(path)
    with pytest.raises(ParquetError, match=f"^{path}: {message}"):
        export_embeddings(repository(synthetic_data, "onnx"), data, tmp_path / "users.parquet")
    assert {each.name for each in tmp_path.iterdir()} == {"data"}


def test_the_command_tells_a_torn_file_in_one_line(synthetic_data: Path, data: Path, tmp_path: Path) -> None:
    path = max(data.glob("test/week=*/*.parquet"))
    tear(path)
    folder = repository(synthetic_data, "onnx")
    command = ["export", "embeddings", "--repository", folder, "--data", data, "--output", tmp_path / "out.parquet"]
    done = run_in_process(*command)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"naiad: {path}: cannot be read as Parquet")
    assert "Traceback" not in done.stderr
