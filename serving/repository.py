"""The check that a directory is a model repository."""

import re
from pathlib import Path

from serving.errors import RepositoryError


def check_repository(directory: Path, *, empty_is_fine: bool = False) -> Path:
    """Return the absolute path of a model repository.

    Raises:
        RepositoryError: It is not a directory, is a single model, or has no model.

    """
    remedy = "give the directory that `python -m export repository --output` wrote"
    if not directory.is_dir():
        raise RepositoryError(f"{directory} is not a directory: {remedy}")
    if (directory / "config.pbtxt").is_file():
        raise RepositoryError(f"{directory} is one model, not a repository: give {directory.resolve().parent}")
    if not empty_is_fine and not any(directory.glob("*/config.pbtxt")):
        raise RepositoryError(f"{directory} has no model (no */config.pbtxt): {remedy}")
    return directory.resolve()


def is_plain(path: str) -> bool:
    """Return whether Triton can start a Python model below `path`; it uses a shell."""
    return re.fullmatch(r"[A-Za-z0-9_./-]+", path) is not None
