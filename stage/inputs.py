"""The check that an output is separate from a command's inputs, whatever links and names lead to either."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from stage.write_errors import OutputError

Identity = tuple[int, int]
"""The device and inode of a file."""


def require_apart(output: str | Path, inputs: Iterable[str | Path], remedy: str = "give another folder") -> None:
    """Raise `OutputError` if `output` is one of `inputs`, contains one, or lies inside one.

    Links, `..`, hard links of files and other names of a folder (a second mount, another letter case) are resolved.
    `remedy`: the remedy in the message.
    """
    above_output = _identities(_real(output))
    for given in inputs:
        real, written = _real(given), Path(os.path.normpath(Path.cwd() / given))
        if _same(real, _real(output)):
            raise OutputError(f"{output}: is {_named(given, output)}: {remedy}")
        if _holds(output, real) or _holds(output, written):
            raise OutputError(f"{output}: holds {_named(given, output)}: {remedy}")
        if _real(output).is_relative_to(real) or _identity(real) in above_output:
            raise OutputError(f"{output}: lies in {_named(given, output)}: {remedy}")


def _named(given: str | Path, output: str | Path) -> str:
    return "what this command reads" if str(given) == str(output) else f"{given}, which this command reads"


def _holds(output: str | Path, path: Path) -> bool:
    own = _identity(_real(output))
    return path.is_relative_to(_real(output)) or (own is not None and own in _identities(path))


def _same(one: Path, other: Path) -> bool:
    return one == other or (_identity(one) is not None and _identity(one) == _identity(other))


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _identities(path: Path) -> set[Identity]:
    """Return the identities of the path and of every folder above it."""
    return set(_present(map(_identity, (path, *path.parents))))


def _present(found: Iterable[Identity | None]) -> Iterator[Identity]:
    return (each for each in found if each is not None)


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
