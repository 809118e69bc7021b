"""The served chain, compared with a floor (a model that does nothing) and a limit (the same graph without a server).

Requests are recorded requests of the test period, one row each, padded like the client's, sent by perf_analyzer over
gRPC to one Triton with all models. Everything is measured in turns, `--rounds` times; the window of a cell with the
lowest p50 counts. Prints two tables, then one line of JSON.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving_results import (
    COMPILED,
    FUSED,
    INTERPRETED,
    best_windows,
    latency_table,
    ratio_table,
    ratios,
    to_json,
)
from stage.arguments import positive, seconds
from stage.command import Parser, print_result, run_command
from stage.errors import BadInput

SERVED = (COMPILED, FUSED, INTERPRETED)


def run(repository: Path, data: Path, seconds: float, rounds: int, count: int, plot: Path | None) -> None:
    """Measure the models of `repository` with `count` requests of `data` in windows of `seconds`."""
    from benchmarks.serving_in_process import prepare_calls
    from benchmarks.serving_windows import CONSOLE, windows
    from client.recorded import RecordedRows

    for name in (FUSED, COMPILED, INTERPRETED):
        if not (repository / name / "config.pbtxt").is_file():
            raise BadInput(f"{repository}: has no model {name}: export it with --reference-path")
    rows = RecordedRows(data / "requests" / "test").spread(count)
    measured = best_windows(
        windows(
            repository, rows, seconds, rounds, SERVED,
            lambda tensors: prepare_calls(repository, data, [row.features for row in rows], tensors),
        )
    )  # fmt: skip
    reached = ratios(measured)
    CONSOLE.print(latency_table(measured), ratio_table(reached), sep="\n")
    if plot is not None:
        from benchmarks.serving_plot import draw

        draw(measured, plot)
        CONSOLE.print(f"[dim]drawn in {plot}")
    print_result(to_json(measured, reached))


def main() -> None:
    parser = Parser(prog="python -m benchmarks.serving", description=__doc__)
    root = Path("runs/complete_journey")
    parser.add_argument(
        "--repository", type=Path, default=root / "repository", help="output folder of `export repository`"
    )
    parser.add_argument("--data", type=Path, default=root / "data", help="output folder of `preprocessing fit`")
    parser.add_argument("--seconds", type=seconds, default=6.0, help="minimal seconds of each window (%(default)s)")
    parser.add_argument("--rounds", type=positive, default=2, help="number of windows per cell (%(default)s)")
    parser.add_argument("--rows", type=positive, default=256, help="number of different requests (%(default)s)")
    parser.add_argument("--plot", type=Path, help="SVG file for the plot of latency against throughput")
    given = parser.parse_args()
    run_command(lambda: run(given.repository, given.data, given.seconds, given.rounds, given.rows, given.plot))


if __name__ == "__main__":
    main()
