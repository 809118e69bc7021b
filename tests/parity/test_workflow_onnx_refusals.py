"""Workflows without an equal graph are refused by name, with the reason."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from export.data.saved_workflow import SavedWorkflow
from export.errors import UnsupportedWorkflow
from export.graphs.workflow import RequestColumn, compile_workflow, request_columns
from export.graphs.workflow.read import KNOWN_OPERATORS
from preprocessing.nvtabular_engine import import_nvtabular, quiet
from preprocessing.schema import Text
from tests.parity.workflow_graph import fit_and_save, transform

ops: Any = import_nvtabular().ops

X, N, S, L = (RequestColumn(*each) for each in (("x", "number"), ("n", "int"), ("s", "string"), ("l", "items")))
FRAME = pd.DataFrame({"x": [0.0, 1.5], "n": [1, 2], "s": ["a", "b"], "l": [["a"], ["b", "a"]]})


def compiled(nodes: Any, column: RequestColumn, folder: Path) -> Path:
    fit_and_save(nodes, FRAME[[column.name]], folder / "saved")
    compile_workflow(SavedWorkflow(folder / "saved"), [column], folder / "model.onnx")
    return folder / "model.onnx"


def hashed(**options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*num_buckets", category=UserWarning)
        return ops.Categorify(**options)


REFUSALS: dict[str, tuple[RequestColumn, Callable[[str], Any]]] = {
    r"LambdaOp \(of x\): this operator cannot be compiled": (X, lambda _: ["x"] >> ops.LambdaOp(lambda column: column)),
    r"HashBucket \(of n\): NVTabular hashes a value with": (N, lambda _: ["n"] >> ops.HashBucket(7)),
    r"s: Categorify\(num_buckets=4\) hashes": (S, lambda at: ["s"] >> hashed(num_buckets=4, max_size=9, out_path=at)),
    "x: Categorify was fitted on float64 values": (X, lambda at: ["x"] >> ops.Categorify(out_path=at)),
    "x: Bucketize after LogOp depends": (X, lambda _: ["x"] >> ops.LogOp() >> ops.Bucketize([0.5])),
    "x: Clip at 0.1 on float32, which cannot represent it": (X, lambda _: ["x"] >> ops.LogOp() >> ops.Clip(0.1)),
    "n: Clip at 0.5 on int64, which cannot represent it": (N, lambda _: ["n"] >> ops.Clip(0.5)),
    "l: is returned as raw items": (L, lambda _: ["l"] >> ops.ListSlice(3)),
    "t: is returned as raw strings": (S, lambda _: ["s"] >> ops.Rename(name="t")),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_it_is_named(message: str, tmp_path: Path) -> None:
    column, nodes = REFUSALS[message]
    with pytest.raises(UnsupportedWorkflow, match=message):
        compiled(nodes(str(tmp_path)), column, tmp_path)
    assert not (tmp_path / "model.onnx").exists()


def test_the_refusal_of_an_unknown_operator_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWorkflow) as refused:
        compiled(["x"] >> ops.LambdaOp(lambda column: column), X, tmp_path)
    assert ", ".join(KNOWN_OPERATORS) in str(refused.value)


def test_a_text_of_the_request_is_refused(tmp_path: Path) -> None:
    text = Text(kind="text", name="query", side="context")
    with pytest.raises(UnsupportedWorkflow, match="query: ONNX cannot split a text into the same words"):
        compile_workflow(SavedWorkflow(tmp_path), request_columns([text]), tmp_path / "model.onnx")


def test_a_column_that_no_request_has_is_named(tmp_path: Path) -> None:
    fit_and_save(["x"] >> ops.LogOp(), FRAME[["x"]], tmp_path)
    with pytest.raises(UnsupportedWorkflow, match="x: the workflow reads it, but no request has it: seen n"):
        compile_workflow(SavedWorkflow(tmp_path), [N], tmp_path / "model.onnx")


@pytest.mark.parametrize("operator", [lambda _: ops.HashBucket(5), lambda at: hashed(num_buckets=5, out_path=at)])
def test_hashes_of_nvtabular_depend_on_the_position_in_the_batch(
    operator: Callable[[str], Any], tmp_path: Path
) -> None:
    workflow = fit_and_save(["n"] >> operator(str(tmp_path)), FRAME[["n"]], tmp_path / "saved")
    [ids] = transform(workflow, pd.DataFrame({"n": [99] * 20}), {"n": 99}).values()
    assert len(set(ids.tolist())) > 1


def test_a_vocabulary_that_was_fitted_again_in_the_same_folder_is_read_again(tmp_path: Path) -> None:
    for values in (["a", "b"], ["c", "d", "e"]):
        saved = tmp_path / "saved"
        with quiet():
            fit_and_save(["s"] >> ops.Categorify(out_path=str(tmp_path)), pd.DataFrame({"s": values}), saved)
        compile_workflow(SavedWorkflow(saved), [S], tmp_path / "model.onnx")
        [encoder] = [
            node for node in onnx.load(str(tmp_path / "model.onnx")).graph.node if node.op_type == "LabelEncoder"
        ]
        keys = next(attribute.strings for attribute in encoder.attribute if attribute.name == "keys_strings")
        assert {key.decode() for key in keys} == {*values, ""}


def test_the_graph_is_one_that_onnx_runtime_1_19_loads(tmp_path: Path) -> None:
    model = onnx.load(str(compiled(["l"] >> ops.ListSlice(-2) >> ops.Categorify(out_path=str(tmp_path)), L, tmp_path)))
    assert model.ir_version <= 10
    assert {each.domain: each.version for each in model.opset_import} == {"": 18, "ai.onnx.ml": 3}
    assert np.all([node.domain in ("", "ai.onnx.ml") for node in model.graph.node])
