"""Folders shared by all workers of one run of the suite; the first worker that needs one makes it."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return `folder`, which `make` wrote once; another worker that asks meanwhile waits.

    A folder that is left over from a `make` that failed is removed first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.made").open("a") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        if not os.fstat(note.fileno()).st_size:
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            note.write("made")
    return folder
