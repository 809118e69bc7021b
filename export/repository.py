"""Write a whole model repository, verified before it takes its place.

REPOSITORY/
  preprocess_nvtabular/ offline_encoder/ online_ranker/ decode/ recommend_nvtabular/   what Triton loads
  schema.json verify.json golden.parquet     Triton passes plain files by
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from export.config import to_text
from export.errors import RepositoryError
from export.golden import golden_rows, read_item_ids
from export.graphs import serving_graphs
from export.onnx_graph import write_decode, write_onnx
from export.recommend import DECODE, ENCODER, PREPROCESS, RANKER, Format, Plan, configs
from export.reference import (
    Reference,
    encode_rows,
    part_answers,
    read_reference,
    whole_answers,
    workflow_folder,
    write_reference,
)
from export.torchscript import write_torchscript
from export.verify import HOPS, TOLERANCE, VERIFY, compare_rankings, compare_tensors, verify_repository
from export.version import naiad_version
from preprocessing.schema import FIRST_KNOWN_ID, read_fitted, require_same_digest
from stage.output import OutputError, whole_folder
from training.checkpoint import load, read_config
from training.models.offline_online import OfflineOnline

COMMITTED = Path(__file__).parents[1] / "model_repository"
_LOAD, _GOLDEN = "load the model", "golden rows through torch"
_VERIFY_STEPS = tuple(f"verify {hop}" for hop in HOPS)
_EXPORT_STEPS = (_LOAD, *(f"write {each}" for each in (PREPROCESS, ENCODER, RANKER, DECODE)), _GOLDEN, *_VERIFY_STEPS)


@dataclass(frozen=True)
class Options:
    """How a repository is to be exported; `top_k` is cut to the number of items."""

    format: Format = "onnx"
    top_k: int = 100
    max_batch_size: int = 64
    exclude_seen: bool = True
    overwrite: bool = False


def export_repository(model: str | Path, data: str | Path, output: str | Path, options: Options) -> dict[str, Any]:
    """Export, verify, put in place; the content of verify.json. Raises `ParityError` with nothing written."""
    fitted, config = read_fitted(model), read_config(model)
    require_same_digest(read_fitted(data), fitted, f"the model in {model}")
    plan = Plan(
        schema=fitted.schema_,
        dim=config.dim,
        top_k=min(options.top_k, fitted.items - FIRST_KNOWN_ID),
        max_batch_size=options.max_batch_size,
        format=options.format,
        exclude_seen=options.exclude_seen,
        digest=fitted.digest,
    )
    with whole_folder(output, options.overwrite) as folder, _steps(_EXPORT_STEPS) as step:
        step(_LOAD)
        whole = load(model, "whole")
        _write_models(whole, plan, Path(data), folder, step)
        step(_GOLDEN)
        rows = golden_rows(data, fitted)
        encoded = encode_rows(fitted.schema_.request_features, data, rows)
        reference = Reference(rows, whole_answers(whole, plan, encoded))
        parts = part_answers(load(model, "offline"), load(model, "online"), plan, encoded)
        states = {name: values for name, values in reference.answers.items() if name in _names(plan)}
        apart = compare_tensors("torch_parts", states, parts, tolerance=0.0)
        ranked = compare_rankings("torch_parts", reference.answers, parts["item_ids"], parts["score"], tolerance=0.0)
        write_reference(reference, fitted.schema_.request_features, folder)
        (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        differences = verify_repository(folder, data, fitted, reference, step)
        result = _result(plan, len(rows), {"torch_parts": max(apart, ranked), **differences})
        _write_result(result, folder)
    return result


def verify_again(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Verify an exported repository against what torch answered when it was exported; rewrite its verify.json.

    `torch_parts` stays as it was: the trained model itself is not at hand. Raises `ParityError`, the file left as is.
    """
    fitted = read_fitted(repository)
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    path = Path(repository) / VERIFY
    try:
        exported = json.loads(path.read_text(encoding="utf-8"))
        before = dict(exported["differences"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RepositoryError(f"{path}: cannot be read ({error}): give what `export repository` wrote") from None
    reference = read_reference(fitted.schema_.request_features, repository)
    with _steps(_VERIFY_STEPS) as step:
        differences = verify_repository(repository, data, fitted, reference, step)
    result = {**exported, "differences": {**before, **differences}, "versions": _versions()}
    _write_result(result, Path(repository))
    return result


def write_configs(plan: Plan, folder: Path) -> None:
    """Every model's config.pbtxt below `folder`."""
    for config in configs(plan):
        (folder / config.name).mkdir(parents=True, exist_ok=True)
        (folder / config.name / "config.pbtxt").write_text(to_text(config), encoding="utf-8")


def _write_models(whole: OfflineOnline, plan: Plan, data: Path, folder: Path, step: Callable[[str], None]) -> None:
    write_configs(plan, folder)
    for config in configs(plan):
        (folder / config.name / "1").mkdir()
    step(f"write {PREPROCESS}")
    shutil.copy2(COMMITTED / PREPROCESS / "1" / "model.py", folder / PREPROCESS / "1" / "model.py")
    shutil.copytree(workflow_folder(data), folder / PREPROCESS / "1" / "workflow")
    encoder, ranker = serving_graphs(whole, plan)
    for name, graph, inputs, outputs in (
        (ENCODER, encoder, plan.encoder_inputs, plan.state),
        (RANKER, ranker, plan.ranker_inputs, plan.ranking),
    ):
        step(f"write {name}")
        if plan.format == "onnx":
            write_onnx(graph, inputs, outputs, folder / name / "1" / "model.onnx")
        else:
            write_torchscript(graph, inputs, folder / name / "1" / "model.pt")
    step(f"write {DECODE}")
    write_decode(read_item_ids(data), folder / DECODE / "1" / "model.onnx")


def _names(plan: Plan) -> set[str]:
    return {tensor.name for tensor in plan.state}


def _result(plan: Plan, rows: int, differences: dict[str, float]) -> dict[str, Any]:
    return {
        "schema_digest": plan.digest,
        "format": plan.format,
        "top_k": plan.top_k,
        "exclude_seen": plan.exclude_seen,
        "rows": rows,
        "tolerance": TOLERANCE,
        "differences": differences,
        "versions": _versions(),
    }


def _write_result(result: dict[str, Any], folder: Path) -> None:
    """Write verify.json beside and rename it: whoever reads it finds the old one or the new one."""
    path, partial = folder / VERIFY, folder / f".{VERIFY}.partial-{os.getpid()}"
    try:
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}), give a folder you may write to") from None
    finally:
        partial.unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    packages = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "nvtabular")
    return {
        "naiad": naiad_version(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


@contextmanager
def _steps(names: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """A progress bar on standard error; what is yielded says which of the steps begins."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("export", total=len(names))

        def step(name: str) -> None:
            progress.update(task, description=name, completed=names.index(name))

        yield step
        progress.update(task, description="done", completed=len(names))
