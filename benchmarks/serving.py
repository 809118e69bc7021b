"""The served chain against its floor, a model that does nothing, and its limit, the same graph without a server.

Recorded requests of the test period, one row each, padded as the client pads; perf_analyzer over gRPC; one Triton that
serves all models. Everything is measured in turns, `--rounds` times, and of each cell the window with the lowest p50
counts. Prints two tables, then one line of JSON.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.perf_analyzer_program import locate_perf_analyzer
from benchmarks.serving_repository import IDENTITY, IDENTITY_SMALL, add_identities
from benchmarks.serving_results import (
    COMPILED,
    FUSED,
    FUSED_PACED,
    IN_PROCESS,
    INTERPRETED,
    Cell,
    best_windows,
    latency_table,
    ratio_table,
    ratios,
    to_json,
)
from stage.arguments import positive, seconds
from stage.command import Parser, print_result, run_command
from stage.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from client.perf_analyzer import Measurement
    from client.recorded import RecordedRow

CONSOLE = Console(stderr=True)
SERVED = (IDENTITY_SMALL, IDENTITY, FUSED, COMPILED, INTERPRETED)
CONCURRENCIES = (1, 4, 16)


def run(repository: Path, data: Path, seconds: float, rounds: int, count: int, plot: Path | None) -> None:
    """Measure the models of `repository` on `count` requests of `data`, `seconds` a window."""
    from client.errors import ClientError
    from client.recorded import RecordedRows
    from serving.errors import ServingError

    for name in (FUSED, COMPILED, INTERPRETED):
        if not (repository / name / "config.pbtxt").is_file():
            raise BadInput(f"{repository}: has no model {name}: export it with --reference-path")
    try:
        rows = RecordedRows(data / "requests" / "test").spread(count)
        measured = best_windows(_windows(repository, data, rows, seconds, rounds))
    except (ClientError, ServingError) as error:
        raise BadInput(str(error)) from error
    reached = ratios(measured)
    CONSOLE.print(latency_table(measured), ratio_table(reached), sep="\n")
    if plot is not None:
        from benchmarks.serving_plot import draw

        draw(measured, plot)
        CONSOLE.print(f"[dim]drawn in {plot}")
    print_result(to_json(measured, reached))


def _windows(
    repository: Path, data: Path, rows: list[RecordedRow], seconds: float, rounds: int
) -> Iterator[tuple[Cell, Measurement]]:
    """Every cell once a round: in process, while the server idles, then the models in turn at each concurrency."""
    from benchmarks.serving_in_process import PAUSE_S, prepare_calls, time_calls
    from client.perf_analyzer import find_perf_analyzer, measure
    from serving.server import run_triton

    located = locate_perf_analyzer()
    program = find_perf_analyzer(os.environ | ({"PERF_ANALYZER": located} if located else {}))
    with tempfile.TemporaryDirectory(prefix="naiad-bench-") as folder:
        served = Path(folder) / "repository"
        add_identities(repository, served, like=COMPILED)
        with run_triton(served) as server, _progress() as progress:
            inputs = {name: Path(folder) / f"{name}.json" for name in SERVED}
            tensors = _write_inputs(server.grpc_url, rows, inputs)
            calls = prepare_calls(repository, data, [row.features for row in rows], tensors)
            task = progress.add_task("", total=rounds * (len(calls) + len(SERVED) * len(CONCURRENCIES)))
            for _ in range(rounds):
                for name, prepared in calls.items():
                    progress.update(task, description=name)
                    yield Cell(name, IN_PROCESS), time_calls(prepared, seconds, PAUSE_S if name == FUSED_PACED else 0.0)
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


def _write_inputs(url: str, rows: list[RecordedRow], paths: dict[str, Path]) -> dict[str, NDArray[Any]]:
    """Write the rows as each model's input data; return them as `recommend` takes them."""
    import numpy as np

    from client.perf_analyzer import write_input_data
    from client.recommend_client import RecommendClient
    from client.request_tensors import build_tensors

    with RecommendClient(url, COMPILED) as client:
        tensors = build_tensors(client.signature, [row.features for row in rows])
    for name, path in paths.items():
        write_input_data(path, {"value": np.zeros((len(rows), 1), np.float32)} if name == IDENTITY_SMALL else tensors)
    return tensors


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=CONSOLE)


def main() -> None:
    parser = Parser(prog="python -m benchmarks.serving", description=__doc__)
    root = Path("runs/complete_journey")
    parser.add_argument("--repository", type=Path, default=root / "repository", help="of `export repository`")
    parser.add_argument("--data", type=Path, default=root / "data", help="of `preprocessing fit`")
    parser.add_argument("--seconds", type=seconds, default=6.0, help="of each window, at least (%(default)s)")
    parser.add_argument("--rounds", type=positive, default=2, help="windows of each cell (%(default)s)")
    parser.add_argument("--rows", type=positive, default=256, help="requests taken in turn (%(default)s)")
    parser.add_argument("--plot", type=Path, help="write latency against throughput here, as SVG")
    given = parser.parse_args()
    run_command(lambda: run(given.repository, given.data, given.seconds, given.rounds, given.rows, given.plot))


if __name__ == "__main__":
    main()
