"""Windows of measurement: models in this process, then through one Triton by perf_analyzer, in turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.perf_analyzer_program import locate_perf_analyzer
from benchmarks.serving_in_process import Paced, time_calls
from benchmarks.serving_repository import IDENTITY, IDENTITY_SMALL, add_identities
from benchmarks.serving_results import IN_PROCESS, Cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from client.perf_analyzer import Measurement
    from client.recorded import RecordedRow

CONSOLE = Console(stderr=True)
CONCURRENCIES = (1, 4, 16)


Prepare = Callable[[dict[str, Any]], dict[str, Paced]]
"""A function from the requests' tensors, in the form of the first served model, to calls in this process by name."""


def windows(
    repository: Path, rows: list[RecordedRow], seconds: float, rounds: int, models: Sequence[str], prepare: Prepare
) -> Iterator[tuple[Cell, Measurement]]:
    """Measure every cell once per round: in process, while the server idles, then the models in turn per concurrency.

    Args:
        repository: The served repository; two models that do nothing are added.
        rows: The requests.
        seconds: Minimal duration of each window.
        rounds: Number of windows per cell.
        models: Models of the repository to measure; all take the request of the first one.
        prepare: The calls without the server.

    """
    from client.perf_analyzer import find_perf_analyzer, measure
    from serving.server import run_triton

    located = locate_perf_analyzer()
    program = find_perf_analyzer(os.environ | ({"PERF_ANALYZER": located} if located else {}))
    served = (IDENTITY_SMALL, IDENTITY, *models)
    with tempfile.TemporaryDirectory(prefix="naiad-bench-") as folder:
        add_identities(repository, Path(folder) / "repository", like=models[0])
        with run_triton(Path(folder) / "repository") as server, _progress() as progress:
            inputs = {name: Path(folder) / f"{name}.json" for name in served}
            in_process = prepare(_write_inputs(server.grpc_url, models[0], rows, inputs))
            task = progress.add_task("", total=rounds * (len(in_process) + len(served) * len(CONCURRENCIES)))
            for _ in range(rounds):
                for name, (calls, pause_s) in in_process.items():
                    progress.update(task, description=name)
                    yield Cell(name, IN_PROCESS), time_calls(calls, seconds, pause_s)
                    progress.advance(task)
                for concurrency in CONCURRENCIES:
                    for name, path in inputs.items():
                        progress.update(task, description=f"{name}, concurrency {concurrency}")
                        yield (
                            Cell(name, concurrency),
                            measure(
                                program, server.grpc_url, name, path,
                                concurrency=concurrency, batch_size=1, seconds=seconds,
                            ),
                        )  # fmt: skip
                        progress.advance(task)


def _write_inputs(url: str, model: str, rows: list[RecordedRow], paths: dict[str, Path]) -> dict[str, NDArray[Any]]:
    """Write the rows as each model's input data; return them in the form of `model`."""
    import numpy as np

    from client.perf_analyzer import write_input_data
    from client.recommend_client import RecommendClient
    from client.request_tensors import build_tensors

    with RecommendClient(url, model) as client:
        tensors = build_tensors(client.signature, [row.features for row in rows])
    for name, path in paths.items():
        write_input_data(path, {"value": np.zeros((len(rows), 1), np.float32)} if name == IDENTITY_SMALL else tensors)
    return tensors


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=CONSOLE)
