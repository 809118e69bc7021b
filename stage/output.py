"""Output folders that are whole or absent: written beside, then renamed. Folders of output files."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage.errors import BadInput


class OutputError(BadInput):
    """The output cannot be written where it was asked for."""


@contextmanager
def whole_folder(output: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `output` that takes its place when the block ends without an error.

    What runs that were killed left beside it is cleared first; an old output that one had moved aside comes back.
    Raises `OutputError` before any work where `output` holds something (and `overwrite` is false) or cannot be written.
    """
    target = Path(output).resolve()
    try:
        _clear_after_killed_runs(target)
        _refuse(target, output, overwrite)
        missing = [parent for parent in target.parents if not parent.exists()]
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        partial.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}), give a folder you may write to") from None
    try:
        yield partial
        _take_place(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in missing:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise


def _clear_after_killed_runs(target: Path) -> None:
    for kind in ("partial", "replaced"):
        for left in target.parent.glob(f".{glob.escape(target.name)}.{kind}-*"):
            pid = left.name.rpartition("-")[2]
            if not pid.isdecimal() or _is_another_run(int(pid)):
                continue
            if kind == "replaced" and not target.exists():
                left.rename(target)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _is_another_run(pid: int) -> bool:
    """Whether the process lives; this one has not begun to write, so its number's folders are of an earlier one."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _refuse(target: Path, output: str | Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"{output}: is a file, give a folder")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not overwrite:
        raise OutputError(f"{output}: holds files already, give another folder or --overwrite")
    for place in (Path.cwd(), Path.home()):
        if place.resolve().is_relative_to(target):
            raise OutputError(f"{output}: holds {place}, which --overwrite would delete, give another folder")


def _take_place(partial: Path, target: Path) -> None:
    replaced = target.with_name(f".{target.name}.replaced-{os.getpid()}")
    if target.exists():
        target.rename(replaced)
    try:
        partial.rename(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def make_folder_of(file: Path) -> None:
    """Make the folder that `file` is to stand in, where it is missing."""
    try:
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror}), give a folder you may write to") from None
