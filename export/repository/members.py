"""The writers of a repository's models: configs, graphs, and the models that all families share."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import nn

from export.data.saved_workflow import SavedWorkflow
from export.errors import UnsupportedWorkflow
from export.graphs.known_ids import CheckedGraph, Counts, check_file
from export.graphs.lookups import write_decode
from export.graphs.onnx import write_onnx
from export.graphs.torchscript import write_torchscript
from export.graphs.workflow import compile_workflow, request_columns
from export.triton.config import ModelConfig, to_text
from export.triton.files import COMMITTED, PYTHON, TORCHSCRIPT, model_path, version_folder
from export.triton.plan import DECODE, PREPROCESS, PREPROCESS_NVTABULAR, Format
from export.triton.tensors import Tensor
from preprocessing.schema import Feature


def write_preprocess(workflow: SavedWorkflow, features: tuple[Feature, ...], reference_path: bool, folder: Path) -> str:
    """Write the graph of `preprocess`, and NVTabular's model if it is served; return why there is no graph, else "".

    Raises:
        UnsupportedWorkflow: There is no equal graph, and the reference path is off.

    """
    refusal = ""
    path = model_path(folder, PREPROCESS)
    path.parent.mkdir(parents=True)
    try:
        compile_workflow(workflow, request_columns(features), path)
    except UnsupportedWorkflow as error:
        if not reference_path:
            raise UnsupportedWorkflow(f"{error}; or serve it with NVTabular: leave out --no-reference-path") from None
        shutil.rmtree(folder / PREPROCESS)
        refusal = str(error)
    if reference_path:
        copy_python_model(PREPROCESS_NVTABULAR, folder)
        shutil.copytree(workflow.folder, version_folder(folder, PREPROCESS_NVTABULAR) / "workflow")
    return refusal


def write_decoding(item_ids: Sequence[str], top_k: int, folder: Path) -> None:
    """Write `decode`, the last model of every chain."""
    path = model_path(folder, DECODE)
    path.parent.mkdir(parents=True)
    write_decode(item_ids, top_k, path)


def write_learned(
    format: Format,
    graph: nn.Module,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    counts: Counts,
    folder: Path,
    name: str,
) -> None:
    """Write a module of positional tensors as the file of model `name`, with a check of its ids.

    `counts`: the number of ids of each tensor of ids.
    """
    if format == "onnx":
        path = model_path(folder, name)
        write_onnx(graph.eval(), inputs, outputs, path)
        check_file(path, counts)
    else:
        path = model_path(folder, name, TORCHSCRIPT)
        write_torchscript(CheckedGraph(graph, inputs, counts).eval(), inputs, path)


def copy_python_model(name: str, folder: Path) -> Path:
    """Copy the file of a python-backend model; return its new path."""
    path = model_path(folder, name, PYTHON)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(model_path(COMMITTED, name, PYTHON), path)
    return path


def begin_models(configs: Iterable[ModelConfig], folder: Path) -> None:
    """Write every model's config.pbtxt and create its version folder, which Triton requires for ensembles too."""
    for config in configs:
        version_folder(folder, config.name).mkdir(parents=True, exist_ok=True)
        write_configs([config], folder)


def write_configs(configs: Iterable[ModelConfig], folder: Path) -> None:
    """Write every model's config.pbtxt below `folder` as a new file; an old one may be linked from elsewhere."""
    for config in configs:
        path = folder / config.name / "config.pbtxt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(to_text(config), encoding="utf-8")
