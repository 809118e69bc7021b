"""Write errors of the operating system become one line, and nothing half-written remains."""

import errno
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stage.output import OutputError, make_folder_of, whole_folder


def write_to_a_full_disk(folder: Path) -> None:
    (folder / "full").symlink_to("/dev/full")
    (folder / "full").write_text("1" * 100_000, encoding="utf-8")


def write_parquet_to_a_full_disk(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "full").symlink_to("/dev/full")
    pq.write_table(pa.table({"a": range(100_000)}), folder / "full")


def write_weights_beyond_the_limit(folder: Path) -> None:
    from safetensors.numpy import save_file

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limit[1]))
    try:
        save_file({"a": np.zeros(2**20)}, folder / "weights")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def write_a_name_that_is_too_long(folder: Path) -> None:
    (folder / ("n" * 300)).touch()


def write_a_parquet_name_that_is_too_long(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), folder / ("n" * 300))


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (write_to_a_full_disk, r"\(No space left on device\), free space there, or give a folder on another disk"),
        (write_parquet_to_a_full_disk, r"\(No space left on device\), free space there"),
        (write_weights_beyond_the_limit, r"\(File too large\), raise the limit of a file's size \(ulimit -f\)"),
        (write_a_name_that_is_too_long, r"\(File name too long\), give a shorter name"),
        (write_a_parquet_name_that_is_too_long, r"\(File name too long\), give a shorter name"),
    ],
)
def test_a_disk_that_refuses_is_one_line(write: Callable[[Path], None], line: str, tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=rf"out: cannot be written {line}"),
        whole_folder(tmp_path / "deep" / "out") as folder,
    ):
        write(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_below_the_output_keeps_its_trace(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "out") as folder:
        (folder / "missing").read_text(encoding="utf-8")
    with pytest.raises(PermissionError), whole_folder(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "elsewhere"))


def test_the_folder_of_a_file_is_refused_by_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"below/users\.parquet: cannot be written \(Not a directory\)"):
        make_folder_of(tmp_path / "file" / "below" / "users.parquet")
