"""A disk that takes no more, told in a line by the output that it was for."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage.output import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


@contextmanager
def writing(output: str | Path) -> Iterator[None]:
    """Raises `OutputError` where what is written for `output` cannot be; errors that are not the disk's pass."""
    try:
        yield
    except shutil.Error as error:  # of a folder of files, each with its reason
        [(_, _, reason), *_] = error.args[0]
        raise OutputError(f"{output}: cannot be written ({reason}): free space on its disk") from None
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError(f"{output}: cannot be written ({error.strerror}): free space on its disk") from None
        if error.errno in _REFUSED:
            raise OutputError(
                f"{output}: cannot be written ({error.strerror}), give a folder you may write to"
            ) from None
        raise
