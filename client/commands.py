"""What each command of `python -m client` does: tables on stdout, progress on stderr, one line of JSON last."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from client.errors import InvalidRequest, RecordedDataInvalid
from client.evaluate import evaluate as replay
from client.perf_analyzer import Measurement, find_perf_analyzer, measure, write_input_data
from client.recommend_client import DEFAULT_MODEL, Recommendation, RecommendClient
from client.recorded import RecordedRow, RecordedRows, read_requests, read_titles
from client.request_tensors import build_tensors
from metrics.table import metrics_table
from stage.command import print_result


def health(options: argparse.Namespace) -> int:
    """Exit code 0 where the server and all its models are ready, else 1."""
    with _client(options, DEFAULT_MODEL) as client:
        ready, server, models = client.is_ready(), client.server(), client.models()
    table = Table(title=f"{server['name']} {server['version']} at {options.url}", title_justify="left")
    for column in ("model", "version", "state", "reason"):
        table.add_column(column)
    for model in models:
        table.add_row(*(Text(str(model.get(key, ""))) for key in ("name", "version", "state", "reason")))
    Console().print(table)
    print_result({"ready": ready, "models": {model["name"]: model.get("state", "UNLOADED") for model in models}})
    return 0 if ready else 1


def recommend(options: argparse.Namespace) -> int:
    """One table a request."""
    recorded = None
    if options.request is not None:
        rows = read_requests(options.request)
    elif options.user:
        recorded = RecordedRows(options.requests)
        rows = recorded.newest_of(options.user)
    else:
        raise RecordedDataInvalid("--requests: needs to know whose: add --user ID")
    titles = read_titles(options.items) if options.items else {}
    with _client(options, options.model) as client:
        if recorded is not None:
            recorded.require(*client.signature.recorded)
        answers = client.recommend([row.request(client.signature) for row in rows])
    console = Console()
    for position, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1):
        title = f"user {row.user}" if row.user is not None else f"request {position}"
        title += f" ({answer.source} embedding)" if answer.source else ""
        console.print(_recommendation_table(title, row, answer, titles, options.history, options.top))
    results = [
        {
            "user": row.user,
            "item_ids": answer.item_ids[: options.top],
            "scores": answer.scores[: options.top],
            **({"source": answer.source} if answer.source else {}),
        }
        for row, answer in zip(rows, answers, strict=True)
    ]
    print_result({"model": options.model, "recommendations": results})
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """The metrics table, then the same as JSON."""
    rows = RecordedRows(options.requests)
    total = min(len(rows), options.limit or len(rows))
    with _client(options, options.model) as client, _progress() as progress:
        task = progress.add_task(f"replaying {options.requests}", total=total)
        values, count, rows_per_second = replay(
            client, rows, options.k, options.limit, lambda done: progress.advance(task, done)
        )
    title = f"{count} rows of {options.requests} through {options.url}"
    Console().print(metrics_table({options.model: values}, title))
    print_result({**values, "rows": count, "rows_per_second": round(rows_per_second, 1)})
    return 0


def bench(options: argparse.Namespace) -> int:
    """The latency table, then the same as JSON."""
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
    Console().print(_latency_table(f"{options.url}, {options.batch_size} rows a request", measured))
    results = [
        {"name": model, "concurrency": n, "p50_us": m.p50_us, "p99_us": m.p99_us, "per_second": m.per_second}
        for model, n, m in measured
    ]
    print_result({"url": options.url, "batch_size": options.batch_size, "rows": results})
    return 0


def _write_bench_data(options: argparse.Namespace, model: str, recorded: RecordedRows, path: Path) -> None:
    with _client(options, model) as client:
        most = client.signature.max_batch_size
        if options.batch_size > most:
            raise InvalidRequest(f"--batch-size {options.batch_size}: {model} takes at most {most} rows: give fewer")
        recorded.require(*client.signature.recorded)
        rows = recorded.spread(options.rows)
        requests = [row.request(client.signature, options.required_only) for row in rows]
        write_input_data(path, build_tensors(client.signature, requests))


def _client(options: argparse.Namespace, model: str) -> RecommendClient:
    return RecommendClient(options.url, model, timeout_s=options.timeout, retries=options.retries)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _recommendation_table(
    title: str, row: RecordedRow, answer: Recommendation, titles: dict[str, str], history: str, top: int
) -> Table:
    newest_first = [item for item in row.features.get(history) or [] if item][::-1]
    bought_before, bought_next = set(newest_first), set(row.target)
    before = newest_first[:top]
    table = Table(title=title, title_justify="left", caption=_caption(row), caption_justify="left")
    table.add_column("bought before (newest first)")
    table.add_column("#", justify="right")
    table.add_column("recommended")
    table.add_column("score", justify="right")
    table.add_column("")
    for rank in range(max(len(before), min(top, len(answer.item_ids)))):
        left = Text(titles.get(before[rank], before[rank]) if rank < len(before) else "")
        if rank >= min(top, len(answer.item_ids)):
            table.add_row(left, "", "", "", "")
            continue
        item, score = answer.item_ids[rank], answer.scores[rank]
        marks = ["again"] * (item in bought_before) + ["bought next"] * (item in bought_next)
        name = Text(titles.get(item, item), style="green" if item in bought_next else "")
        table.add_row(left, str(rank + 1), name, f"{score:.3f}", ", ".join(marks))
    return table


def _caption(row: RecordedRow) -> str:
    return f"items bought next: {len(row.target)}" if row.target else ""


def _latency_table(title: str, measured: list[tuple[str, int, Measurement]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    for column in ("concurrency", "p50 us", "p99 us", "rows per second"):
        table.add_column(column, justify="right")
    for model, concurrency, m in measured:
        table.add_row(model, str(concurrency), f"{m.p50_us:,.0f}", f"{m.p99_us:,.0f}", f"{m.per_second:,.1f}")
    return table
