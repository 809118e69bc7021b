"""A fitted workflow and its compiled graph: the same request through both."""

import shutil
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from export.data.golden import Arrays
from export.data.saved_workflow import SavedWorkflow
from export.families.offline_online.plan import RankingPlan, chain_configs
from export.graphs.workflow import RequestColumn, compile_workflow, request_columns
from export.parity.local import LocalRepository
from export.parity.log_bound import log_bound
from export.parity.onnx_inputs import onnx_inputs
from export.repository.members import COMMITTED
from export.triton.config import ModelConfig, to_text
from export.triton.plan import PREPROCESS_NVTABULAR
from export.triton.tensors import ENCODED, Tensor
from preprocessing.log_layout import Columns, Log
from preprocessing.nvtabular_engine import import_nvtabular, quiet
from preprocessing.schema import Categorical, Feature, Schema
from preprocessing.workflow import build_workflow, fit_workflow, load_workflow, to_workflow_columns


class Graph:
    """A compiled workflow in ONNX Runtime, one thread."""

    def __init__(self, workflow: Path, columns: Rows[RequestColumn], path: Path) -> None:
        self.outputs: tuple[Tensor, ...] = compile_workflow(SavedWorkflow(workflow), columns, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, arrays: Arrays) -> Arrays:
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, onnx_inputs(arrays)), strict=True))


class Reference:
    """The served file of `preprocess_nvtabular` over the workflow of `features`, fitted on raw `rows`."""

    def __init__(self, features: tuple[Feature, ...], rows: pd.DataFrame, items: Rows[str], folder: Path) -> None:
        item = Categorical(name="item", kind="categorical", side="item")
        schema = Schema(
            name="random",
            log=Log(columns=Columns(user="user", item="item", time="time")),
            features=(*features, item),
        )
        config: ModelConfig = next(
            c for c in chain_configs(RankingPlan(schema, dim=4)) if c.name == PREPROCESS_NVTABULAR
        )
        model = folder / PREPROCESS_NVTABULAR / "1"
        model.mkdir(parents=True)
        (folder / PREPROCESS_NVTABULAR / "config.pbtxt").write_text(to_text(config), encoding="utf-8")
        shutil.copy2(COMMITTED / PREPROCESS_NVTABULAR / "1" / "model.py", model / "model.py")
        workflow = build_workflow(features, pd.Series(list(items)), folder / "tables")
        fit_workflow(workflow, to_workflow_columns(features, rows), model / "workflow")
        self._local = LocalRepository(folder)
        self.saved = model / "workflow"
        self.workflow = load_workflow(self.saved)
        self.graph = Graph(self.saved, request_columns(features), folder / "model.onnx")
        self.config = config

    def __call__(self, arrays: Arrays) -> Arrays:
        return self._local.run(PREPROCESS_NVTABULAR, arrays)


def fit_and_save(nodes: Any, frame: pd.DataFrame, folder: Path) -> Any:
    """A workflow of operators, fitted, saved to `folder` and loaded again."""
    nvt = import_nvtabular()
    with quiet():
        workflow = nvt.Workflow(nodes)
        workflow.fit(nvt.Dataset(frame))
        workflow.save(str(folder))
    return load_workflow(folder)


def transform(workflow: Any, frame: pd.DataFrame, first: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """NVTabular's columns for the rows of `frame`, after a first row without nulls: Categorify fails without one."""
    whole = {name: pd.Series([first[name], *column], dtype=column.dtype) for name, column in frame.items()}
    with quiet():
        encoded = workflow.transform(pd.DataFrame(whole))
    return {name + ENCODED: encoded[name].to_numpy()[1:] for name in encoded}


def assert_same_numbers(expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> None:
    """Equal to the last bit; one NaN is as good as another, and so is a zero."""
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def assert_near_logs(
    expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], mean: float = 0.0, std: float = 1.0
) -> None:
    """(log - mean) / std within the bound of a compiled logarithm."""
    with np.errstate(all="ignore"):
        apart = np.abs(expected.astype(np.float64) - found.astype(np.float64))
        same = (expected == found) | (np.isnan(expected) & np.isnan(found)) | (apart <= log_bound(expected, mean, std))
    assert same.all(), (expected[~same], found[~same])
