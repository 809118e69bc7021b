"""Copies of a repository that share all unchanged files with it by hard links."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copy_linked(source: Path, folder: Path, left_out: set[str]) -> None:
    """Copy everything except `left_out` (paths inside `source`, files or folders) into the existing `folder`.

    Files are hard links if the disk supports them: to change a file, unlink it first.
    """

    def ignored(at: str, names: list[str]) -> set[str]:
        return {name for name in names if (Path(at) / name).relative_to(source).as_posix() in left_out}

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    shutil.copytree(source, folder, ignore=ignored, copy_function=link, dirs_exist_ok=True)
