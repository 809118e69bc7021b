"""A repository that is to differ from another in a few files takes all the others from it, at no cost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copy_linked(source: Path, folder: Path, left_out: set[str]) -> None:
    """Copy all but `left_out` (paths inside `source`, files or folders) into `folder`, which is there.

    Files are hard links where the disk has them: whoever changes one of them must unlink it first.
    """

    def ignored(at: str, names: list[str]) -> set[str]:
        return {name for name in names if (Path(at) / name).relative_to(source).as_posix() in left_out}

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    shutil.copytree(source, folder, ignore=ignored, copy_function=link, dirs_exist_ok=True)
