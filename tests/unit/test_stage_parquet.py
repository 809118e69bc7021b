"""Parquet files of earlier stages are read whole, or refused in one line with the caller's remedy."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stage.parquet import ParquetError, read_columns


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
    ("spoil", "said", "by_default"),
    [
        (Path.unlink, r"no such file: fit again$", r"^no file .*: give the output folder of `preprocessing fit`$"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-9]),
            r"cannot be read as Parquet \(.+\): fit again$",
            r"cannot be read \(.+\), run the stage that wrote it again$",
        ),
        (
            lambda path: pq.write_table(pa.table({"user": ["a"]}), path),
            r"has no column 'item': fit again$",
            r"^no column 'item' in .*rows.parquet: run the stage that wrote it again$",
        ),
    ],
)
def test_a_spoilt_file_is_one_line_with_the_remedy_of_the_caller(
    spoil: Callable[[Path], None], said: str, by_default: str, file: Path
) -> None:
    spoil(file)
    with pytest.raises(ParquetError, match=f"^{file}: {said}") as raised:
        read_columns(file, ["user", "item"], remedy="fit again")
    assert "\n" not in str(raised.value)
    with pytest.raises(ParquetError, match=by_default):
        read_columns(file, ["user", "item"])
