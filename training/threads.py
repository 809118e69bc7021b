"""The settings of torch's threads, which have to be set before torch is imported."""

from __future__ import annotations

import argparse
import os

from stage.arguments import positive


def threads(text: str) -> int:
    """Parse a number of threads, at most the machine's cores."""
    value, cores = positive(text), os.cpu_count() or 1
    if value > cores:
        raise argparse.ArgumentTypeError(f"seen {text!r}, this machine has {cores} cores: give 1 to {cores}")
    return value


def share_cores(count: int | None) -> None:
    """Let waiting threads sleep instead of spinning, and use `count` threads if given.

    Spinning threads take cores from other processes: on two cores, two simultaneous trainings took 13 to 19 s each
    with spinning threads, 4.6 s without. An OMP_WAIT_POLICY in the environment is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if count is not None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(count)
