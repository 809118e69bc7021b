"""Processes that train one model together, started by `torchrun --nproc_per_node N -m training fit …`.

Only the first process, rank 0, writes, deletes, evaluates and prints. Without torchrun it is the only process, and
these functions do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from stage.command import EXIT_BAD_INPUT
from stage.errors import BadInput

T = TypeVar("T")


def count() -> int:
    """Return the number of training processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this process is rank 0."""
    return os.environ.get("RANK", "0") == "0"


def join() -> None:
    """Join the other processes: by NCCL on a machine with GPUs, which needs one per process, else by gloo.

    Raises `BadInput` in the first process of a machine with too few GPUs; the others end with the same exit code.
    """
    import torch
    from torch import distributed

    if count() == 1 or distributed.is_initialized():
        return
    if torch.cuda.is_available():
        place, here = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", str(count())))
        if here > (gpus := torch.cuda.device_count()):
            if place:
                raise SystemExit(EXIT_BAD_INPUT)
            raise BadInput(
                f"torchrun started {here} processes, more than the GPUs of this machine ({gpus}): give "
                f"--nproc_per_node {gpus}, or set CUDA_VISIBLE_DEVICES= to train without GPUs"
            )
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


@contextmanager
def together() -> Iterator[None]:
    """Let all processes leave the block, or none: if it refuses its input in one, all processes end.

    The first process that refused raises the error; the others end silently with the same exit code.
    """
    refused: BadInput | None = None
    try:
        yield
    except BadInput as error:
        if count() == 1:
            raise
        refused = error
    if count() == 1:
        return
    from torch import distributed

    who = [False] * count()
    distributed.all_gather_object(who, refused is not None)
    if any(who):
        if refused is not None and who.index(True) == distributed.get_rank():
            raise refused
        raise SystemExit(EXIT_BAD_INPUT)


def from_first(value: T) -> T:
    """Return the `value` of the first process in every process; all processes wait here for each other."""
    if count() == 1:
        return value
    from torch import distributed

    values: list[Any] = [value]
    distributed.broadcast_object_list(values, src=0)
    first: T = values[0]
    return first
