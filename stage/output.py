"""Output folders that are whole or absent: written beside, then renamed."""

from __future__ import annotations

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

    Raises `OutputError` before any work where `output` holds something (and `overwrite` is false) or cannot be written.
    """
    target = Path(output).absolute()
    if target.exists() and not target.is_dir():
        raise OutputError(f"{output}: is a file, give a folder")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise OutputError(f"{output}: holds files already, give another folder or --overwrite")
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}), give a folder you may write to") from None
    try:
        yield partial
        replaced = target.with_name(f".{target.name}.replaced-{os.getpid()}")
        if target.exists():
            target.rename(replaced)
        partial.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
