"""NVIDIA's perf_analyzer: search, input data from recorded rows, one measurement, and its report.

Input data are always given, because perf_analyzer's random ids would be unknown to the model and break integer
lookups.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.address import split_url
from client.errors import BenchError, PerfAnalyzerMissing

_REMEDY = (
    "`pip install perf-analyzer` where glibc is 2.38 or newer, else take it from NVIDIA's image "
    "nvcr.io/nvidia/tritonserver:<release>-py3-sdk, then put it on PATH or its path into PERF_ANALYZER"
)


@dataclass(frozen=True)
class Measurement:
    """Latency of requests in microseconds, and rows answered per second (requests per second times batch size)."""

    p50_us: float
    p99_us: float
    per_second: float


def find_perf_analyzer(environment: Mapping[str, str] | None = None) -> str:
    """Return the program that PERF_ANALYZER names, else the one on PATH; refuse a program that does not start."""
    environment = os.environ if environment is None else environment
    named = environment.get("PERF_ANALYZER")
    program = named or shutil.which("perf_analyzer", path=environment.get("PATH"))
    if program is None:
        raise PerfAnalyzerMissing(f"perf_analyzer: not on PATH and PERF_ANALYZER is not set: {_REMEDY}")
    try:
        probe = _run([program, "--version"])
    except OSError as error:
        raise PerfAnalyzerMissing(f"perf_analyzer: {program} does not start ({error.strerror}): {_REMEDY}") from None
    if probe.returncode != 0:
        reason = _last_line(probe.stderr + probe.stdout)
        raise PerfAnalyzerMissing(f"perf_analyzer: {program} does not run here ({reason}): {_REMEDY}")
    return program


def input_data(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return perf_analyzer's --input-data for arrays `[B, ...]`: one entry per row, each with its shape.

        {"data": [{"hour": {"content": {"b64": "CQAAAAAAAAA="}, "shape": [1]},
                   "recent_items": {"content": ["a", "b", ""], "shape": [3]}}, ...]}

    Numbers are base64 of their little-endian bytes, because JSON has no NaN, the null of a float
    feature.
    """
    rows = len(next(iter(arrays.values())))
    return {
        "data": [
            {name: {"content": _content(array[row]), "shape": list(array.shape[1:])} for name, array in arrays.items()}
            for row in range(rows)
        ]
    }


def _content(row: NDArray[Any]) -> Any:
    if row.dtype == np.object_:
        return [value.decode() for value in row.ravel().tolist()]
    little_endian = np.ascontiguousarray(row).astype(row.dtype.newbyteorder("<"))
    return {"b64": base64.b64encode(little_endian.tobytes()).decode()}


def measure(
    program: str, url: str, model: str, data: Path, *, concurrency: int, batch_size: int, seconds: float
) -> Measurement:
    """Keep `concurrency` requests in flight and measure latencies in three windows that last `seconds` together.

    Raises BenchError with the last line of perf_analyzer if it fails.
    """
    protocol, address = split_url(url)
    with tempfile.TemporaryDirectory(prefix="naiad-bench-") as folder:
        report = Path(folder) / "report.csv"
        command = [program, "-m", model, "-u", address, "-i", protocol, "-b", str(batch_size)]
        command += ["--input-data", str(data), "--concurrency-range", str(concurrency), "-f", str(report)]
        # perf_analyzer averages the last three windows; any spread counts as stable, the table shows the percentiles.
        command += ["--measurement-interval", str(max(1, round(seconds * 1000 / 3))), "--max-trials", "10"]
        command += ["--stability-percentage", "999", "--async", "--warmup-request-count", str(concurrency * 4)]
        done = _run(command)
        if done.returncode != 0 or not report.is_file():
            reason = _last_line(done.stderr) if done.stderr.strip() else _last_line(done.stdout)
            raise BenchError(f"{model}: perf_analyzer measured nothing ({reason}): check the model and its inputs")
        return read_report(report.read_text(encoding="utf-8", errors="replace"))


def read_report(text: str) -> Measurement:
    """Return the only measurement in perf_analyzer's CSV report (`-f`)."""
    rows = list(csv.DictReader(text.splitlines()))
    if len(rows) != 1:
        raise BenchError(f"perf_analyzer reported {len(rows)} measurements, expected 1: run the bench for longer")
    try:
        return Measurement(
            float(rows[0]["p50 latency"]), float(rows[0]["p99 latency"]), float(rows[0]["Inferences/Second"])
        )
    except (KeyError, TypeError, ValueError):
        seen = ", ".join(str(column) for column in rows[0])
        raise BenchError(
            f"perf_analyzer's report has columns {seen}, expected numbers in p50 latency, p99 latency and "
            "Inferences/Second: use the perf_analyzer of NVIDIA's image of the server's release"
        ) from None


def write_input_data(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `input_data` as a file for --input-data."""
    path.write_text(json.dumps(input_data(arrays)), encoding="utf-8")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)


def _last_line(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
