"""Retrieval through Triton, compared with a floor (a model that does nothing) and a limit (the graph without a server).

It measures a repository of `export repository --model RANKER --retriever TOWER` with recorded requests of the test
period, like `benchmarks.serving`. Prints two tables, then one line of JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.serving_repository import IDENTITY
from benchmarks.serving_results import (
    IN_PROCESS,
    Cell,
    Ratio,
    best_windows,
    latency_table,
    ratio_table,
    to_json,
)
from stage.arguments import positive, seconds
from stage.command import Parser, leave, print_result, run_command
from stage.errors import BadInput

if TYPE_CHECKING:
    from benchmarks.serving_in_process import Paced
    from client.perf_analyzer import Measurement

RETRIEVE, FUSED = "retrieve", "retrieve_fused"
TWO_STAGES, TWO_STAGES_FUSED = "retrieve_and_rank", "retrieve_and_rank_fused"
MODELS = (RETRIEVE, FUSED, TWO_STAGES, TWO_STAGES_FUSED)
WITHOUT_SERVER = "retrieve_in_process"
MOST = 1.5


def run(repository: Path, data: Path, seconds: float, rounds: int, count: int) -> None:
    """Measure the models of `repository` with `count` requests of `data` in windows of `seconds`."""
    from benchmarks.serving_windows import CONSOLE, windows
    from client.recorded import RecordedRows

    models = [each for each in MODELS if (repository / each / "config.pbtxt").is_file()]
    if models[:2] != [RETRIEVE, FUSED]:
        raise BadInput(f"{repository}: has no {FUSED}: export it from a two_tower model with --index exact")
    rows = RecordedRows(data / "requests" / "test").spread(count)
    prepare = in_process(repository)
    measured = best_windows(windows(repository, rows, seconds, rounds, models, prepare))
    reached = ratios(measured)
    CONSOLE.print(latency_table(measured), ratio_table(reached), sep="\n")
    print_result(to_json(measured, reached))


def in_process(repository: Path) -> Any:
    from benchmarks.serving_in_process import Paced, graph_calls

    def prepare(tensors: dict[str, Any]) -> dict[str, Paced]:
        return {WITHOUT_SERVER: Paced(graph_calls(repository / FUSED / "1" / "model.onnx", tensors))}

    return prepare


def ratios(measured: Mapping[Cell, Measurement]) -> tuple[Ratio, ...]:
    """Return each model's p50 divided by its lower bound: the p50 of `identity` plus the graph's own time."""
    limit = measured[Cell(WITHOUT_SERVER, IN_PROCESS)].p50_us
    return tuple(
        Ratio(
            f"{name}_{concurrency}",
            f"{name} p50 / ({IDENTITY} p50 + {WITHOUT_SERVER} p50), concurrency {concurrency}",
            True,
            MOST if concurrency == 16 else None,
            measured[Cell(name, concurrency)].p50_us / (measured[Cell(IDENTITY, concurrency)].p50_us + limit),
        )
        for name in (RETRIEVE, FUSED)
        for concurrency in (1, 16)
    )


def main() -> None:
    parser = Parser(prog="python -m benchmarks.retrieval_serving", description=__doc__)
    root = Path("runs/complete_journey")
    parser.add_argument("--repository", type=Path, default=root / "two_stages", help="default %(default)s")
    parser.add_argument("--data", type=Path, default=root / "data", help="output folder of `preprocessing fit`")
    parser.add_argument("--seconds", type=seconds, default=6.0, help="minimal seconds of each window (%(default)s)")
    parser.add_argument("--rounds", type=positive, default=2, help="number of windows per cell (%(default)s)")
    parser.add_argument("--rows", type=positive, default=256, help="number of different requests (%(default)s)")
    given = parser.parse_args()
    run_command(lambda: run(given.repository, given.data, given.seconds, given.rounds, given.rows))


if __name__ == "__main__":
    leave(main)
