"""The cost of the chain without a server: calls in this process on one thread, one row each."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.interpreter import interpreter_calls
from benchmarks.serving_results import FUSED_IN_PROCESS, FUSED_PACED, NVTABULAR_IN_PROCESS, PREPROCESS_IN_PROCESS
from client.perf_analyzer import Measurement

if TYPE_CHECKING:
    from export.data.golden import Row

Calls = list[Callable[[], Any]]
WARMUP = 16
PAUSE_S = 0.001
"""Pause before each paced call, like a served model's wait for a request: its code and data leave the caches."""


class Paced(NamedTuple):
    """Calls without a server, one per request, and the pause before each."""

    calls: Calls
    pause_s: float = 0.0


def prepare_calls(
    repository: Path, data: Path, rows: list[Row], tensors: Mapping[str, NDArray[Any]]
) -> dict[str, Paced]:
    """Return a call per row: of the graphs on its tensors (`[1, …]` of `[B, …]`), of NVTabular on its values."""
    fused = graph_calls(repository / "recommend_fused" / "1" / "model.onnx", tensors)
    return {
        FUSED_IN_PROCESS: Paced(fused),
        FUSED_PACED: Paced(fused, PAUSE_S),
        PREPROCESS_IN_PROCESS: Paced(graph_calls(repository / "preprocess" / "1" / "model.onnx", tensors)),
        NVTABULAR_IN_PROCESS: Paced(interpreter_calls(data, rows, 1)),
    }


def graph_calls(path: Path, tensors: Mapping[str, NDArray[Any]]) -> Calls:
    """Return a call of an ONNX file per row of its input tensors, on one thread."""
    import onnxruntime

    from export.parity.onnx_inputs import onnx_inputs

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    taken = {node.name for node in session.get_inputs()}
    inputs = onnx_inputs({name: array for name, array in tensors.items() if name in taken})
    count = len(next(iter(inputs.values())))
    return [
        partial(session.run, None, {name: array[row : row + 1] for name, array in inputs.items()})
        for row in range(count)
    ]


def time_calls(calls: Sequence[Callable[[], Any]], seconds: float, pause_s: float = 0.0) -> Measurement:
    """Make the calls in turn for some seconds, after a few warmup calls; pauses between calls do not count."""
    from preprocessing.nvtabular_engine import quiet

    times: list[float] = []
    with quiet():
        for call in calls[:WARMUP]:
            call()
        end = time.perf_counter() + seconds
        for call in itertools.cycle(calls):
            if pause_s:
                time.sleep(pause_s)
            started = time.perf_counter()
            call()
            ended = time.perf_counter()
            times.append(ended - started)
            if ended > end:
                break
    p50, p99 = np.percentile(times, (50, 99)) * 1e6
    return Measurement(round(p50, 1), round(p99, 1), round(len(times) / sum(times), 1))
