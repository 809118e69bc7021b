"""Parquet files of earlier stages are read completely, or refused in one line with the caller's remedy."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stage.parquet import ParquetError, read_columns, read_row_groups


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "week=7" / "rows.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"user": ["a", "b"], "item": [1, 2], "time": [3, 4]}), path)
    return path


def test_columns_come_in_the_order_asked_for_and_the_folder_s_name_adds_none(file: Path) -> None:
    table = read_columns(file, ["time", "user"])
    assert table.to_pydict() == {"time": [3, 4], "user": ["a", "b"]}
    assert table.column_names == ["time", "user"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "no such file: "),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), r"cannot be read as Parquet \(.+\): "),
        (lambda path: pq.write_table(pa.table({"user": ["a"]}), path), "has no column 'item': "),
    ],
)
def test_a_spoilt_file_is_one_line_with_the_remedy_of_the_caller(
    spoil: Callable[[Path], None], said: str, file: Path
) -> None:
    spoil(file)
    with pytest.raises(ParquetError, match=f"^{file}: {said}write it again$") as raised:
        read_columns(file, ["user", "item"], remedy="write it again")
    assert "\n" not in str(raised.value)
    with pytest.raises(ParquetError, match=f"^{file}: {said}run `preprocessing fit` again"):
        read_columns(file, ["user", "item"])
    with pytest.raises(ParquetError, match=f"^{file}: {said}"):
        list(read_row_groups(file, ["user", "item"]))
