"""Write the models of a repository: configs, graphs, the saved workflow."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from torch import nn

from export.data.golden import read_item_ids
from export.data.nulls import Nulls
from export.errors import UnsupportedWorkflow
from export.families.offline_online.graphs import serving_graphs
from export.families.offline_online.plan import (
    DECODE,
    ENCODER,
    PREPROCESS,
    PREPROCESS_NVTABULAR,
    RANKER,
    RECOMMEND_FUSED,
    Plan,
    configs,
)
from export.graphs.fused import write_fused
from export.graphs.known_ids import CheckedGraph, Counts, check_file, id_counts
from export.graphs.onnx import write_decode, write_onnx
from export.graphs.torchscript import write_torchscript
from export.graphs.workflow import compile_workflow, request_columns
from export.parity.answers import workflow_folder
from export.triton.config import ModelConfig, to_text
from export.triton.tensors import Tensor
from preprocessing.schema import read_fitted
from stage.progress import Report
from training.families.offline_online.model import OfflineOnline

COMMITTED = Path(__file__).parents[2] / "model_repository"
ONNX, TORCHSCRIPT = "model.onnx", "model.pt"
AnyPlan = TypeVar("AnyPlan", bound=Plan)
Tensors = tuple[Tensor, ...]


def compile_preprocess(plan: AnyPlan, data: Path, folder: Path) -> tuple[AnyPlan, str]:
    """Write the graph of `preprocess`; where there is no equal graph, the plan without one, and the reason.

    One that is there is of another family of the same schema, and stays.

    Raises:
        UnsupportedWorkflow: There is no equal graph, and the plan has no reference path either.

    """
    version = folder / PREPROCESS / "1"
    if (version / ONNX).is_file():
        return plan, ""
    version.mkdir(parents=True)
    try:
        compile_workflow(workflow_folder(data), request_columns(plan.schema.request_features), version / ONNX)
    except UnsupportedWorkflow as refusal:
        if not plan.reference_path:
            raise UnsupportedWorkflow(f"{refusal}; or serve it by NVTabular: leave out --no-reference-path") from None
        shutil.rmtree(version.parent)
        return replace(plan, compiled=False), str(refusal)
    return plan, ""


def write_members(whole: OfflineOnline, plan: Plan, nulls: Nulls, data: Path, folder: Path, report: Report) -> None:
    """Write every model of the plan below `folder`, where the graph of `preprocess` is already."""
    begin_models(configs(plan), folder)
    write_reference_path(plan, data, folder, report)
    encoder, ranker = serving_graphs(whole, plan, nulls)
    counts = id_counts(read_fitted(data))
    if encoder is not None:
        report(f"write {ENCODER}")
        write_learned(plan, encoder, plan.encoder_inputs, plan.state, counts, folder / ENCODER)
    report(f"write {RANKER}")
    write_learned(plan, ranker, plan.ranker_inputs, plan.ranking, counts, folder / RANKER)
    report(f"write {DECODE}")
    write_decode(read_item_ids(data), plan.top_k, folder / DECODE / "1" / ONNX)
    if plan.fused:
        report(f"write {RECOMMEND_FUSED}")
        encoding = [ENCODER] if plan.state else []
        chain = {name: folder / name / "1" / ONNX for name in (PREPROCESS, *encoding, RANKER, DECODE)}
        answer = [tensor.name for tensor in plan.answer]
        write_fused(chain, answer, folder / RECOMMEND_FUSED / "1" / ONNX)


def write_reference_path(plan: Plan, data: Path, folder: Path, report: Report) -> None:
    """Write NVTabular's model, where the plan has one; its folder is there."""
    version = folder / PREPROCESS_NVTABULAR / "1"
    if plan.serves_nvtabular and not (version / "model.py").is_file():
        report(f"write {PREPROCESS_NVTABULAR}")
        shutil.copy2(COMMITTED / PREPROCESS_NVTABULAR / "1" / "model.py", version / "model.py")
        shutil.copytree(workflow_folder(data), version / "workflow")


def write_learned(plan: Plan, graph: nn.Module, inputs: Tensors, outputs: Tensors, counts: Counts, model: Path) -> None:
    """A module of positional tensors as the file of `model`, in the plan's format; it is handed no unknown ids.

    `counts`: how many ids each tensor of ids may hold.
    """
    if plan.format == "onnx":
        path = model / "1" / ONNX
        write_onnx(graph.eval(), inputs, outputs, path)
        check_file(path, counts)
    else:
        write_torchscript(CheckedGraph(graph, inputs, counts).eval(), inputs, model / "1" / TORCHSCRIPT)


def begin_models(configs: Iterable[ModelConfig], folder: Path) -> None:
    """Every model's config.pbtxt below `folder`, and the folder of its first version: Triton asks ensembles for one."""
    for config in configs:
        (folder / config.name / "1").mkdir(parents=True, exist_ok=True)
        write_configs([config], folder)


def write_configs(configs: Iterable[ModelConfig], folder: Path) -> None:
    """Every model's config.pbtxt below `folder`."""
    for config in configs:
        (folder / config.name).mkdir(parents=True, exist_ok=True)
        (folder / config.name / "config.pbtxt").write_text(to_text(config), encoding="utf-8")
