"""The log file of Triton."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from serving.errors import LogFileError


@dataclass(frozen=True)
class LogFile:
    """The log of one server; `read` returns what was logged since it was opened."""

    file: IO[bytes]
    start: int

    def read(self) -> str:
        """Return what has been logged so far."""
        size = os.fstat(self.file.fileno()).st_size
        return os.pread(self.file.fileno(), size - self.start, self.start).decode(errors="replace")

    def from_here(self) -> "LogFile":
        """Return the same log, starting at its end."""
        return LogFile(self.file, os.fstat(self.file.fileno()).st_size)


def require_outside(path: Path, repository: Path) -> None:
    """Refuse to append to a file of the repository to serve.

    Raises:
        LogFileError: `path`, literally or with its links resolved, is below `repository`.

    """
    written, followed = Path(os.path.abspath(path)), Path(os.path.realpath(path))  # noqa: PTH100
    folders = {Path(os.path.abspath(repository)), Path(os.path.realpath(repository))}  # noqa: PTH100
    if any(file.is_relative_to(folder) for file in (written, followed) for folder in folders):
        raise LogFileError(f"log file {path} is inside the repository {repository}: pass a --log-file outside of it")


@contextlib.contextmanager
def open_log(path: Path | None) -> Iterator[LogFile]:
    """Open `path` for appending; None: an unnamed file, which does not survive a crash.

    Raises:
        LogFileError: It cannot be opened.

    """
    try:
        file = tempfile.TemporaryFile() if path is None else path.open("a+b")  # noqa: SIM115
    except OSError as error:
        raise LogFileError(
            f"log file {path} cannot be opened ({error.strerror or error}): pass another --log-file"
        ) from error
    with file:
        yield LogFile(file, os.fstat(file.fileno()).st_size)
