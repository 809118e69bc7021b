"""Errors of libraries during a run, as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from stage.errors import BadInput
from stage.library_errors import Becomes, first_line, map_errors, says
from stage.write_errors import cannot_be_written, writing

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
_NOT_WRITTEN = ("PytorchStreamWriter", "inline_container", "iostream error", "I/O error")
_REMEDY = "free space or give another --output; --resume continues from the last checkpoint"


class MemoryShortage(BadInput):
    """The machine has less memory than the run needs."""


@contextmanager
def enough_memory() -> Iterator[None]:
    """Raise `MemoryShortage` if the block needs more memory than the machine or its GPU has."""
    with map_errors(
        Becomes(MemoryError, _memory_shortage),
        Becomes(RuntimeError, _memory_shortage, says(*_NO_MEMORY)),  # torch's, ONNX Runtime's
    ):
        yield


def _memory_shortage(error: Exception) -> MemoryShortage:
    return MemoryShortage(f"memory does not suffice ({first_line(error)}): lower --batch-size, or --dim")


@contextmanager
def written(scratch: Path) -> Iterator[None]:
    """Raise `OutputError` if the disk refuses a file below `scratch`, the folder of the run's checkpoints.

    Errors of torch and safetensors name no file. A missing input is not such a refusal.
    """
    with (
        writing(scratch, scratch.absolute(), _REMEDY),
        map_errors(
            Becomes(
                (RuntimeError, SafetensorError),
                lambda error: cannot_be_written(scratch, OSError(first_line(error)), _REMEDY),
                says(*_NOT_WRITTEN),
            )
        ),
    ):
        yield
