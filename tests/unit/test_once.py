"""Folders shared by all workers of one run are made once, and again after a failure."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from tests.once import made_once


def test_of_several_that_ask_at_once_one_makes_the_folder_and_all_get_it_whole(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        folder.mkdir()
        sleep(0.05)
        (folder / "file").touch()

    def ask(_: int) -> bool:
        return (made_once(tmp_path / "deep" / "folder", make) / "file").exists()

    with ThreadPoolExecutor(4) as workers:
        assert all(workers.map(ask, range(4)))
    assert len(made) == 1


def test_a_folder_that_was_left_half_made_is_made_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        made_once(tmp_path / "folder", fail)
    folder = made_once(tmp_path / "folder", Path.mkdir)
    assert list(folder.iterdir()) == []
