"""The compiled workflow compared with NVTabular's executor, in process, on real requests, with one thread.

Prints the time of one row and of 64, then the cost of a vocabulary of a million items, then one line of JSON.
Inputs are prepared for both: a frame for NVTabular, numpy tensors for ONNX Runtime.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.interpreter import interpreter_calls
from stage.arguments import positive
from stage.command import Parser, print_result, run_command
from stage.errors import BadInput

if TYPE_CHECKING:
    from export.data.golden import Arrays, Row
    from export.graphs.workflow.expressions import Expression
    from preprocessing.schema import Feature

CONSOLE = Console(stderr=True)
BATCH, MILLION = 64, 1_000_000
Result = dict[str, Any]


def run(data: Path, repeats: int) -> None:
    """Measure the workflow that `preprocessing fit` saved in `data` on requests of the test period."""
    from export.data.saved_workflow import SavedWorkflow
    from export.graphs.workflow import compile_workflow, request_columns
    from export.graphs.workflow.compile import write_graph
    from export.graphs.workflow.read import read_workflow
    from preprocessing.schema import read_fitted

    features = read_fitted(data).schema_.request_features
    rows = _rows(data, features, BATCH * 8)
    if len(rows) < BATCH:
        raise BadInput(f"{data}: has {len(rows)} requests of the test period, {BATCH} are needed: give a larger log's")
    results: list[Result] = []
    for size in (1, BATCH):
        CONSOLE.print(f"[dim]NVTabular's executor, {size} rows")
        results.append({"name": "nvtabular", "rows": size, "p50_us": _nvtabular(data, rows, size, repeats)})
    with tempfile.TemporaryDirectory() as folder:
        compiled, large = Path(folder) / "model.onnx", Path(folder) / "large.onnx"
        columns, workflow = request_columns(features), SavedWorkflow.of_requests(data)
        compile_workflow(workflow, columns, compiled)
        expressions = read_workflow(workflow, columns)
        write_graph({name: _enlarge(each) for name, each in expressions.items()}, columns, large)
        graphs = {"compiled": compiled, "compiled, 1M items": large}
        for size in (1, BATCH):
            CONSOLE.print(f"[dim]the graphs, {size} rows")
            results += _graphs(graphs, features, rows, size, repeats)
    _show(results)
    nvtabular_1, nvtabular_64, one, million, many, _ = results
    print_result(
        {
            "rows": results,
            "times_faster_1": round(nvtabular_1["p50_us"] / one["p50_us"]),
            "times_faster_64": round(nvtabular_64["p50_us"] / many["p50_us"]),
            "times_faster_64_bytes": round(nvtabular_64["p50_us"] / many["bytes_p50_us"]),
            "million_added": round(million["p50_us"] / one["p50_us"] - 1, 3),
        }
    )


def _rows(data: Path, features: tuple[Feature, ...], count: int) -> list[Row]:
    import pyarrow.parquet as pq

    rows: list[Row] = []
    for file in sorted((data / "requests" / "test").glob("week=*/*.parquet")):
        table = pq.read_table(file, columns=[feature.name for feature in features], partitioning=None)
        rows += table.slice(0, count - len(rows)).to_pylist()
    return rows


def _nvtabular(data: Path, rows: list[Row], size: int, repeats: int) -> float:
    from preprocessing.nvtabular_engine import quiet

    with quiet():
        return _p50_us(interpreter_calls(data, rows, size)[: max(3, repeats // 50)], 3)


def _graphs(
    graphs: dict[str, Path], features: tuple[Feature, ...], rows: list[Row], size: int, repeats: int
) -> list[Result]:
    """Measure in a process of its own, so that added memory belongs to the graph."""
    import numpy as np

    from export.data.golden import request_tensors
    from export.parity.onnx_inputs import onnx_inputs

    raw = [request_tensors(features, rows[place : place + size]) for place in range(0, len(rows), size)]
    strings = [onnx_inputs(each) for each in raw]
    plain = [
        {k: np.array(v.tolist(), dtype=bytes) if v.dtype == object else v for k, v in each.items()} for each in raw
    ]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        times = process.submit(_measure, graphs, strings, plain, max(2, repeats // len(raw))).result()
    return [{"name": name, "rows": size, **result} for name, result in times.items()]


def _measure(graphs: dict[str, Path], strings: list[Arrays], plain: list[Arrays], rounds: int) -> dict[str, Result]:
    """Measure the graphs in turns, so that other load affects all of them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    results: dict[str, Result] = {}
    sessions = {}
    for name, path in graphs.items():
        before, started = _resident_mb(), time.perf_counter()
        sessions[name] = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        loaded, grown = time.perf_counter() - started, _resident_mb() - before
        results[name] = {"load_s": round(loaded, 3), "memory_mb": round(grown)}
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, session in sessions.items():
            for form, inputs in (("p50_us", strings), ("bytes_p50_us", plain)):
                times[name, form].append(_p50_us([partial(session.run, None, each) for each in inputs], 1))
    for (name, form), medians in times.items():
        results[name][form] = round(sorted(medians)[len(medians) // 2], 1)
    return results


def _p50_us(calls: Sequence[Callable[[], Any]], rounds: int) -> float:
    """Return the median of all calls, each made `rounds` times after a warmup call."""
    times = []
    for place in range(rounds + 1):
        for call in calls:
            started = time.perf_counter()
            call()
            if place:
                times.append(time.perf_counter() - started)
    return round(sorted(times)[len(times) // 2] * 1e6, 1)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def _enlarge(expression: Expression) -> Expression:
    """Return the same lists with a vocabulary of a million items."""
    from export.graphs.workflow.expressions import Encoded
    from export.graphs.workflow.lists import is_list

    if not isinstance(expression, Encoded) or not is_list(expression):
        return expression
    ids = dict(expression.vocabulary.ids)
    first = max(ids.values()) + 1
    ids |= {(f"product-{number:07d}",): first + number for number in range(MILLION - len(ids))}
    return replace(expression, vocabulary=replace(expression.vocabulary, ids=ids))


def _show(results: list[Result]) -> None:
    table = Table(title="Preprocessing, one thread", title_justify="left")
    for column in ("what", "rows", "p50 µs", "p50 µs from bytes", "load s", "memory MB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in results:
        shown = (each.get(key, "") for key in ("p50_us", "bytes_p50_us", "load_s", "memory_mb"))
        table.add_row(each["name"], str(each["rows"]), *map(str, shown))
    CONSOLE.print(table)


def main() -> None:
    parser = Parser(prog="python -m benchmarks.workflow", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("runs/complete_journey/data"), help="output folder of `preprocessing fit`"
    )
    parser.add_argument(
        "--repeats", type=positive, default=2000, help="calls of the graph per row of the table (default 2000)"
    )
    arguments = parser.parse_args()
    run_command(lambda: run(arguments.data, arguments.repeats))


if __name__ == "__main__":
    main()
