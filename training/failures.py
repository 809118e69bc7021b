"""Errors of a run that libraries raise in their own words, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from stage.errors import BadInput
from stage.output import OutputError

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
_NOT_WRITTEN = ("PytorchStreamWriter", "inline_container", "iostream error", "I/O error")


class MemoryShortage(BadInput):
    """The machine has less memory than the run needs."""


@contextmanager
def enough_memory() -> Iterator[None]:
    """Raise `MemoryShortage` where the block asks for more memory, of the machine or of its GPU, than there is."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError) and not any(words in text for words in _NO_MEMORY):
            raise
        first = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise MemoryShortage(f"memory does not suffice ({first}): lower --batch-size, or --dim") from None


@contextmanager
def written(scratch: Path) -> Iterator[None]:
    """Raise `OutputError` where the disk refuses a file; `scratch` is where the run's checkpoints are."""
    try:
        yield
    except OSError as error:
        raise _unwritten(error.filename or scratch, error.strerror or str(error)) from None
    except (RuntimeError, SafetensorError) as error:
        if not any(words in str(error) for words in _NOT_WRITTEN):
            raise
        raise _unwritten(scratch, str(error)) from None


def _unwritten(place: object, reason: str) -> OutputError:
    first = reason.splitlines()[0]
    return OutputError(
        f"{place}: cannot be written ({first}): make room or give another --output; --resume goes on from the last "
        "checkpoint"
    )
