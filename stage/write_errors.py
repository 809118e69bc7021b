"""Write errors of the operating system as one line with a fitting remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage.errors import BadInput, NaiadError

_ELSEWHERE = "give a folder you may write to"
_OURS = (errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY)
_REMEDIES = {
    errno.ENOSPC: "free space there, or give a folder on another disk",
    errno.EDQUOT: "free space there, or give a folder on another disk",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or give a folder on another disk",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOTDIR: "give a path whose parents are folders",
    errno.ELOOP: "give a path without a loop of links",
}
_FULL = {errno.ENOSPC: "No space left on device", errno.EDQUOT: "Disk quota exceeded", errno.EFBIG: "File too large"}


class OutputError(BadInput):
    """The output cannot be written to the requested path."""


def cannot_be_written(output: str | Path, error: OSError, remedy: str | None = None) -> OutputError:
    """Return the error as one line about `output`; by default with the remedy that fits the operating system's."""
    remedy = remedy or _REMEDIES.get(error.errno or 0, _ELSEWHERE)
    return OutputError(f"{output}: cannot be written ({reason(error)}), {remedy}")


def reason(error: OSError) -> str:
    """Return the message of the operating system, or of the library that wraps it."""
    return os.strerror(error.errno) if error.errno else str(error).partition("\n")[0] or type(error).__name__


@contextmanager
def writing(output: str | Path, inside: Path, remedy: str | None = None) -> Iterator[None]:
    """Raise `OutputError` about `output` for the operating system's errors in the block at or below `inside`.

    Errors of a full disk carry no path, and libraries wrap them in errors of their own; these are recognised by their
    text. Any other error passes unchanged.
    """
    try:
        yield
    except NaiadError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and (error.errno in _FULL or _refused_below(inside, error)):
            raise cannot_be_written(output, error, remedy) from None
        for number, words in _FULL.items():
            if words.lower() in str(error).lower() or f"os error {number}" in str(error):
                raise cannot_be_written(output, OSError(number, words), remedy) from None
        raise


def _refused_below(folder: Path, error: OSError) -> bool:
    """Return whether the system refused a path at or below `folder`; a missing or existing one is a fault of ours."""
    if error.errno in _OURS:
        return False
    if isinstance(error.filename, str | bytes):
        return Path(os.fsdecode(error.filename)).absolute().is_relative_to(folder)
    return str(folder) in str(error)  # Arrow's errors have the path only in their text
