"""The check of an output before any work and before slow imports."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stage.output import whole_folder


class _Free(Exception):
    pass


def require_free_output(
    output: str | Path, overwrite: bool = False, inputs: Iterable[str | Path] = (), command: str = ""
) -> None:
    """Raise the errors that `whole_folder` raises before its block; leave nothing behind."""
    with suppress(_Free), whole_folder(output, overwrite, inputs, command):
        raise _Free
