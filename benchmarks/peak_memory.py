"""The most memory that work takes, imports apart, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def measured_apart(prepare: Callable[[], object], work: Callable[..., object], *arguments: Any) -> dict[str, float]:
    """Return the `seconds` that `work` took and its `peak_mb`, in a fresh process after `prepare`, which imports."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measured, prepare, work, arguments).result()


def _measured(
    prepare: Callable[[], object], work: Callable[..., object], arguments: tuple[Any, ...]
) -> dict[str, float]:
    prepare()
    before = _peak_mb()
    began = time.perf_counter()
    kept = work(*arguments)
    seconds = time.perf_counter() - began
    peak = _peak_mb() - before
    del kept
    return {"seconds": round(seconds, 2), "peak_mb": round(peak, 1)}


def _peak_mb() -> float:
    """The most memory of this process so far; `ru_maxrss` would count its parent's before `exec`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
