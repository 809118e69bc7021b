"""The peak memory of a piece of work, without imports, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def measured_apart(prepare: Callable[[], object], work: Callable[..., object], *arguments: Any) -> dict[str, float]:
    """Return the `seconds` of `work`, its `peak_mb`, and the `held_mb` after it.

    It runs in a new process after `prepare`, which imports; memory is counted from then on.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measured, prepare, work, arguments).result()


def _measured(
    prepare: Callable[[], object], work: Callable[..., object], arguments: tuple[Any, ...]
) -> dict[str, float]:
    prepare()
    before, held = _memory_mb("VmHWM"), _memory_mb("VmRSS")
    began = time.perf_counter()
    kept = work(*arguments)
    seconds = time.perf_counter() - began
    peak, held = _memory_mb("VmHWM") - before, _memory_mb("VmRSS") - held
    del kept
    return {"seconds": round(seconds, 2), "peak_mb": round(peak, 1), "held_mb": round(held, 1)}


def _memory_mb(key: str) -> float:
    """Return memory of this process: `VmRSS` now, `VmHWM` the peak so far (`ru_maxrss` would include its parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{key}:")[2].split()[0]) * 1024 / 1e6
