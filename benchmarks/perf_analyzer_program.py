"""The path of NVIDIA's perf_analyzer for the benchmarks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def locate_perf_analyzer() -> str | None:
    """Return the program that PERF_ANALYZER names, else the one on PATH, else the one next to the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "tools" / "perf_analyzer"
    return (
        os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer") or (str(beside) if beside.is_file() else None)
    )
