"""`make demo`: the whole chain on The Complete Journey, each step the command that a user would type.

Steps whose output already exists, from the same schema, are reused.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from benchmarks.demo_report import StepError, baselines, require, show_equal, show_parity
from benchmarks.perf_analyzer_program import locate_perf_analyzer
from stage.command import Parser, print_result, run_command
from stage.manifest import record
from stage.version import naiad_version

MADE_BY = "made_by.json"
CONSOLE = Console()


@dataclass(frozen=True)
class Done:
    """The output of a step, and the JSON of its last line."""

    text: str
    result: dict[str, Any]


def step(title: str, *command: str, show: bool = True) -> Done:
    """Run `python -m …`; show its progress always, and its output if `show`; the demo's end shows the rest."""
    CONSOLE.print(Rule(f"[bold]{title}", align="left"))
    CONSOLE.print(f"[dim]$ python -m {shlex.join(command)}", highlight=False, soft_wrap=True)
    started = time.monotonic()
    environment = os.environ | {"COLUMNS": str(CONSOLE.width)}
    if CONSOLE.is_terminal:
        environment["FORCE_COLOR"] = "1"
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        encoding="utf-8",
        check=False,
    )
    *lines, last = ran.stdout.splitlines() or [""]
    if ran.returncode != 0:
        print(ran.stdout, end="")
        raise StepError(f"`python -m {command[0]} {command[1]}` ended with code {ran.returncode}, see above")
    done = Done("\n".join(lines), json.loads(last))
    if show and done.text:
        print(done.text)
    CONSOLE.print(f"[dim]{time.monotonic() - started:.0f} s\n")
    return done


def reuse(title: str, folder: Path) -> None:
    CONSOLE.print(Rule(f"[bold]{title}", align="left"))
    CONSOLE.print(f"[dim]{folder} exists, from the same schema: reused (make clean removes it)\n")


def run(schema: str, source: str | None, root: Path, extra: Sequence[str] = ()) -> None:
    """Run the chain of one schema under `root`: data, model, repository, server, answers, numbers."""
    started = time.monotonic()
    data, model, repository = root / "data", root / "model", root / "repository"
    if _made_by(data, schema=_schema_text(schema), source=source):
        reuse("Preprocess", data)
    else:
        workers = str(min(os.cpu_count() or 1, 4))
        step(
            "Preprocess", "preprocessing", "fit", "--schema", schema, *(["--source", source] if source else []),
            "--output", str(data), "--workers", workers, "--overwrite",
        )  # fmt: skip
        _note(data, schema=_schema_text(schema), source=source)
    if _made_by(model, digest=_digest(data), flags=list(extra)):
        reuse("Train", model)
    else:
        step("Train", "training", "fit", "--data", str(data), "--output", str(model), "--overwrite", *extra)
        _note(model, digest=_digest(data), flags=list(extra))
    made = {"model": (model / MADE_BY).stat().st_mtime, "version": naiad_version()}
    if _made_by(repository, **made):
        reuse("Export and verify", repository)
    else:
        step(
            "Export and verify", "export", "repository", "--model", str(model), "--data", str(data),
            "--output", str(repository), "--overwrite",
        )  # fmt: skip
        _note(repository, **made)
    offline = step(
        "Evaluate offline", "training", "evaluate", "--data", str(data), "--model", str(model), show=False
    )  # fmt: skip
    served = _serve(data, repository)
    CONSOLE.print(Rule("[bold]Results"))
    for done in (served["recommend"], offline):
        print(done.text)
    show_parity(repository)
    show_equal(offline.result, served["evaluate"].result)
    require(offline.result, served["evaluate"].result)
    if "bench" in served:
        print(served["bench"].text)
    else:
        CONSOLE.print("[yellow]no perf_analyzer, so no latency table: `python -m client bench` says how to get it")
    _show_next(root, _two_users(data)[0])
    seconds = round(time.monotonic() - started, 1)
    print_result(
        {
            "schema": schema,
            "seconds": seconds,
            "ndcg@20": offline.result["ndcg@20"],
            "served_ndcg@20": served["evaluate"].result["ndcg@20"],
            "baselines_ndcg@20": baselines(offline.result),
            "rows": served["bench"].result["rows"] if "bench" in served else [],
        }
    )


def _note(folder: Path, **inputs: object) -> None:
    """Write the inputs of a step into its output, so that the note is replaced together with the output."""
    (folder / MADE_BY).write_text(json.dumps(inputs), encoding="utf-8")
    record(folder, [MADE_BY])


def _made_by(folder: Path, **inputs: object) -> bool:
    """Return whether the folder is the complete output of a step from these inputs."""
    try:
        return bool(json.loads((folder / MADE_BY).read_text(encoding="utf-8")) == inputs)
    except (OSError, ValueError):
        return False


def _schema_text(schema: str) -> str:
    from preprocessing.schema import load_schema

    return load_schema(schema).model_dump_json()


def _digest(data: Path) -> str:
    from preprocessing.schema import read_fitted

    return read_fitted(data).digest


def _serve(data: Path, repository: Path) -> dict[str, Done]:
    from serving.server import run_triton

    CONSOLE.print(Rule("[bold]Serve", align="left"))
    CONSOLE.print(f"[dim]$ python -m serving up --repository {repository}")
    with run_triton(repository) as server:
        CONSOLE.print(f"[dim]Triton is ready at {server.grpc_url} and {server.http_url}\n")
        to = ("--url", server.grpc_url, "--requests", str(data / "requests" / "test"))
        done = {
            "recommend": step(
                "Recommend", "client", "recommend", *to, "--items", str(data / "items.parquet"),
                "--user", *_two_users(data), "--top", "10", show=False,
            ),
            "evaluate": step("Evaluate through the server", "client", "evaluate", *to, "--k", "5,10,20", show=False),
        }  # fmt: skip
        if analyzer := locate_perf_analyzer():
            os.environ["PERF_ANALYZER"] = analyzer
            models = ",".join(sorted(path.parent.name for path in repository.glob("recommend*/config.pbtxt")))
            done["bench"] = step(
                "Measure", "client", "bench", *to, "--model", models, "--concurrency", "1,4,16", "--seconds", "3",
                show=False,
            )  # fmt: skip
    return done


def _two_users(data: Path) -> list[str]:
    """Return the first two users of the test period with a full history."""
    import pyarrow.parquet as pq

    for file in sorted((data / "requests" / "test").glob("week=*/*.parquet")):
        rows = pq.read_table(file, columns=["user", "recent_items"], partitioning=None).to_pylist()
        users = list(dict.fromkeys(row["user"] for row in rows if len(row["recent_items"]) >= 20))
        if len(users) >= 2:
            return users[:2]
    raise StepError("no two users of the test period have 20 earlier items")


def _show_next(root: Path, user: str) -> None:
    CONSOLE.print(Rule("[bold]Next steps", align="left"))
    for line in (
        f"python -m serving up --repository {root}/repository",
        f"python -m client recommend --url grpc://127.0.0.1:8001 --requests {root}/data/requests/test --user {user} "
        f"--items {root}/data/items.parquet",
        "python -m preprocessing fit --schema generic --source LOG.csv --columns user=…,item=…,time=… "
        "--output runs/mine/data",
        "python -m training fit --data runs/mine/data --output runs/mine/model",
        "python -m export repository --model runs/mine/model --data runs/mine/data --output runs/mine/repository",
    ):
        CONSOLE.print(f"  {line}", highlight=False, soft_wrap=True)


def main() -> None:
    parser = Parser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument("--schema", default="complete_journey")
    parser.add_argument("--source", help="the log, for schemas that read a file")
    parser.add_argument("--root", type=Path, help="folder of the run (default runs/SCHEMA)")
    parser.add_argument("training", nargs="*", help="flags for `training fit`, after --")
    arguments = parser.parse_args()
    root = arguments.root or Path("runs") / arguments.schema
    run_command(lambda: run(arguments.schema, arguments.source, root, arguments.training))


if __name__ == "__main__":
    main()
