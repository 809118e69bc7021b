"""The commands of `python -m client`: tables on stdout, progress on stderr, one line of JSON last."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from client.connect import connect
from client.describe_command import describe
from client.errors import InvalidRequest
from client.evaluate import evaluate as replay
from client.perf_analyzer import Measurement, find_perf_analyzer, measure, write_input_data
from client.recommend_client import DEFAULT_MODEL
from client.recommend_command import recommend
from client.recorded import RecordedRows
from client.request_tensors import build_tensors
from metrics.table import metrics_table
from stage.command import print_result

__all__ = ["bench", "describe", "evaluate", "health", "recommend"]


def health(options: argparse.Namespace) -> int:
    """Return exit code 0 if the server and all its models are ready, else 1; name those that are not."""
    with connect(options, DEFAULT_MODEL) as client:
        server, models, not_ready = client.server(), client.models(), client.not_ready()
        ready = client.is_server_ready() and not not_ready
    table = Table(title=f"{server['name']} {server['version']} at {options.url}", title_justify="left")
    for column in ("model", "version", "state", "reason"):
        table.add_column(column)
    states = {model["name"]: model.get("state", "UNLOADED") for model in models}
    for model in models:
        silent = model["name"] in not_ready and states[model["name"]] == "READY"
        if silent:
            states[model["name"]] = "NOT READY"
        reason = "loaded, but reports that it is not ready" if silent else model.get("reason", "")
        row = (model["name"], model.get("version", ""), states[model["name"]], reason)
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    console.print(table)
    if not ready:
        console.print(Text(f"not ready: {', '.join(not_ready) or 'the server itself'}"))
    print_result({"ready": ready, "not_ready": not_ready, "models": states})
    return 0 if ready else 1


def evaluate(options: argparse.Namespace) -> int:
    """Print the metrics as a table, then as JSON."""
    rows = RecordedRows(options.requests)
    total = min(len(rows), options.limit or len(rows))
    with connect(options, options.model) as client, _progress() as progress:
        task = progress.add_task(f"replaying {options.requests}", total=total)
        found = replay(client, rows, options.k, options.limit, lambda done: progress.advance(task, done))
    title = f"{found.rows} rows of {options.requests} through {options.url}"
    Console().print(metrics_table({options.model: found.metrics}, title))
    metric = f"ndcg@{max(options.k)}"
    for reason, values in found.by_reason.items():
        print(f"  {reason}: {values['rows']} rows, {metric} {values[metric]:.4f}")
    reasons = {"by_reason": found.by_reason} if found.by_reason else {}
    rate = round(found.rows_per_second, 1)
    print_result({**found.metrics, "rows": found.rows, "rows_per_second": rate, **reasons})
    return 0


def bench(options: argparse.Namespace) -> int:
    """Print the latencies as a table, then as JSON."""
    program = find_perf_analyzer()
    recorded = RecordedRows(options.requests)
    measured: list[tuple[str, int, Measurement]] = []
    with tempfile.TemporaryDirectory(prefix="naiad-bench-") as folder:
        data = {model: Path(folder) / f"{position}.json" for position, model in enumerate(options.model)}
        for model, path in data.items():
            _write_bench_data(options, model, recorded, path)
        with _progress() as progress:
            task = progress.add_task("bench", total=len(options.model) * len(options.concurrency))
            for model, concurrency in itertools.product(options.model, options.concurrency):
                progress.update(task, description=f"{model}, concurrency {concurrency}")
                result = measure(
                    program,
                    options.url,
                    model,
                    data[model],
                    concurrency=concurrency,
                    batch_size=options.batch_size,
                    seconds=options.seconds,
                )
                measured.append((model, concurrency, result))
                progress.advance(task)
    Console().print(_latency_table(f"{options.url}, rows per request: {options.batch_size}", measured))
    results = [
        {"name": model, "concurrency": n, "p50_us": m.p50_us, "p99_us": m.p99_us, "per_second": m.per_second}
        for model, n, m in measured
    ]
    print_result({"url": options.url, "batch_size": options.batch_size, "rows": results})
    return 0


def _write_bench_data(options: argparse.Namespace, model: str, recorded: RecordedRows, path: Path) -> None:
    with connect(options, model) as client:
        most = client.signature.max_batch_size
        if options.batch_size > most:
            raise InvalidRequest(f"--batch-size {options.batch_size}: {model} takes at most {most} rows: give fewer")
        recorded.serve(client.signature)
        rows = recorded.spread(options.rows)
        requests = [row.request(client.signature, options.required_only) for row in rows]
        write_input_data(path, build_tensors(client.signature, requests))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _latency_table(title: str, measured: list[tuple[str, int, Measurement]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    for column in ("concurrency", "p50 us", "p99 us", "rows per second"):
        table.add_column(column, justify="right")
    for model, concurrency, m in measured:
        table.add_row(model, str(concurrency), f"{m.p50_us:,.0f}", f"{m.p99_us:,.0f}", f"{m.per_second:,.1f}")
    return table
