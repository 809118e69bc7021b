"""The exported graphs answer as torch does, for every batch size and length, and load where they are served."""

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.data.golden import Arrays
from export.data.nulls import Nulls, encoded_nulls
from export.data.saved_workflow import SavedWorkflow
from export.families.offline_online.graphs import serving_graphs
from export.families.offline_online.plan import ENCODER, RANKER, RECOMMEND, RECOMMEND_FUSED, RankingPlan
from export.graphs.onnx import IR_VERSION, OPSET, write_onnx
from export.graphs.workflow.graph import ML_DOMAIN, ML_OPSET
from export.parity.compare import compare_rankings, compare_tensors
from export.parity.local import LocalRepository
from export.triton.plan import DECODE, PREPROCESS, Format
from export.triton.tensors import Tensor
from preprocessing.schema import FittedSchema, read_fitted
from tests.exported import CONFIG, checkpoint, repository
from training.checkpoint import load, new_model
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.offline_online.model import OfflineOnline

NEWEST_OPSET, NEWEST_ML_OPSET, NEWEST_IR = 20, 4, 10  # what ONNX Runtime 1.19, in Triton's image 24.12, loads


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def whole(synthetic_data: Path) -> OfflineOnline:
    return load(checkpoint(synthetic_data), OfflineOnline)


@pytest.fixture(scope="module")
def plan(fitted: FittedSchema) -> RankingPlan:
    return RankingPlan(fitted.schema_, CONFIG.dim, top_k=fitted.items - 3)


@pytest.fixture(scope="module")
def nulls(synthetic_data: Path, fitted: FittedSchema) -> Nulls:
    return encoded_nulls(fitted.schema_.request_features, SavedWorkflow.of_requests(synthetic_data))


def random_inputs(inputs: tuple[Tensor, ...], rows: int, length: int, fitted: FittedSchema) -> Arrays:
    """Valid encoded tensors [rows, ...]; sequences of at most `length`, the first row all padding."""
    generator = np.random.default_rng(rows * 100 + length)
    arrays: Arrays = {}
    for tensor in inputs:
        name = tensor.name.removesuffix(".encoded")
        shape = (rows, *(min(length, tensor.longest or length) if dim == -1 else dim for dim in tensor.dims))
        if tensor.dtype == "float32":
            arrays[tensor.name] = generator.normal(size=shape).astype(np.float32)
            continue
        most = fitted.cardinality(name) if name in fitted.learned else fitted.items
        ids = generator.integers(1, most, size=shape)
        if tensor.dims == (-1,) or tensor.dims[0] > 1:
            used = generator.integers(0, shape[1] + 1, size=rows)
            used[0] = 0
            ids[np.arange(shape[1])[None, :] >= used[:, None]] = 0
        arrays[tensor.name] = ids
    return arrays


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
@pytest.mark.parametrize(("rows", "length"), list(product((1, 2, 16, 33), (1, 2, 5, 99))))
def test_graphs_equal_torch_for_every_batch_and_length(
    synthetic_data: Path,
    fitted: FittedSchema,
    whole: OfflineOnline,
    plan: RankingPlan,
    nulls: Nulls,
    format: Format,
    rows: int,
    length: int,
) -> None:
    local = LocalRepository(repository(synthetic_data, format))
    encoder, ranker = serving_graphs(whole, plan, nulls)
    inputs = random_inputs(plan.encoder_inputs, rows, length, fitted)
    with torch.no_grad():
        state = encoder(*[torch.from_numpy(inputs[tensor.name]) for tensor in plan.encoder_inputs])
    expected = {tensor.name: values.numpy() for tensor, values in zip(plan.state, state, strict=True)}
    compare_tensors(ENCODER, expected, local.run_step(RECOMMEND, ENCODER, inputs))

    inputs = {**random_inputs(plan.ranker_inputs, rows, length, fitted), **expected}
    with torch.no_grad():
        ids, score = ranker(*[torch.from_numpy(inputs[tensor.name]) for tensor in plan.ranker_inputs])
    ranked = local.run_step(RECOMMEND, RANKER, inputs)
    compare_rankings(RANKER, {"item_ids": ids.numpy(), "score": score.numpy()}, ranked["item_ids"], ranked["score"])


@pytest.mark.parametrize("model", [PREPROCESS, ENCODER, RANKER, DECODE, RECOMMEND_FUSED])
def test_graphs_load_in_the_oldest_supported_onnx_runtime(compiled_data: Path, model: str) -> None:
    proto = onnx.load(repository(compiled_data, "onnx") / model / "1" / "model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ir_version == IR_VERSION <= NEWEST_IR
    opsets = {opset.domain: opset.version for opset in proto.opset_import}
    assert opsets == {"": OPSET} | ({ML_DOMAIN: ML_OPSET} if model in (PREPROCESS, RECOMMEND_FUSED) else {})
    assert OPSET <= NEWEST_OPSET
    assert ML_OPSET <= NEWEST_ML_OPSET
    assert not proto.functions
    for node in proto.graph.node:
        newest = {"": NEWEST_OPSET, ML_DOMAIN: NEWEST_ML_OPSET}[node.domain]
        assert onnx.defs.get_schema(node.op_type, newest, node.domain).since_version <= newest


def test_a_graph_holds_the_item_table_once_and_no_path_of_this_machine(
    synthetic_data: Path, fitted: FittedSchema, nulls: Nulls, tmp_path: Path
) -> None:
    wide = RankingPlan(fitted.schema_, dim=256, top_k=fitted.items - 3)
    model = new_model(synthetic_data, fitted, OfflineOnlineConfig(dim=wide.dim)).eval()
    path = tmp_path / RANKER / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    write_onnx(serving_graphs(model, wide, nulls)[1], wide.ranker_inputs, wide.ranking, path)
    shape = sorted((fitted.items, wide.dim))
    tables = [each.name for each in onnx.load(path).graph.initializer if sorted(each.dims) == shape]
    assert tables == ["table"]
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()


def test_batch_and_lengths_are_named_dynamic_dimensions(synthetic_data: Path) -> None:
    graph = onnx.load(repository(synthetic_data, "onnx") / RANKER / "1" / "model.onnx").graph
    shapes = {
        each.name: [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in (*graph.input, *graph.output)
    }
    assert shapes["basket.encoded"] == ["batch", "basket_length"]
    assert shapes["repeat_items"] == shapes["repeat_logits"] == ["batch", "repeat_length"]
    assert shapes["query.encoded"] == ["batch", 3]
    assert shapes["score"][0] == "batch"


def test_items_of_excluded_sequences_are_not_candidates_unless_requested(
    fitted: FittedSchema, whole: OfflineOnline, plan: RankingPlan, nulls: Nulls
) -> None:
    inputs = random_inputs(plan.ranker_inputs, 16, 4, fitted)
    tensors = [torch.from_numpy(inputs[tensor.name]) for tensor in plan.ranker_inputs]
    basket = [set(row) - {0, 1, 2} for row in inputs["basket.encoded"].tolist()]
    open_plan = RankingPlan(plan.schema, plan.dim, plan.top_k, exclude_seen=False)
    assert open_plan.ranker_inputs == plan.ranker_inputs
    with torch.no_grad():
        masked, score = serving_graphs(whole, plan, nulls)[1](*tensors)
        unmasked, _ = serving_graphs(whole, open_plan, nulls)[1](*tensors)
    catalogue = set(range(3, fitted.items))
    for row, seen in enumerate(basket):
        found = masked[row].tolist()
        assert set(found) - {0} == catalogue - seen
        assert found[len(catalogue) - len(seen) :] == [0] * len(seen)
        assert score[row, len(catalogue) - len(seen) :].tolist() == [-torch.inf] * len(seen)
        assert set(unmasked[row].tolist()) == catalogue
    assert any(basket)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_null(
    fitted: FittedSchema, whole: OfflineOnline, plan: RankingPlan, nulls: Nulls, value: float
) -> None:
    names = [f"{name}.encoded" for name in nulls]
    assert len(names) >= 6
    inputs = {**random_inputs(plan.encoder_inputs, 2, 4, fitted), **random_inputs(plan.ranker_inputs, 2, 4, fitted)}
    inputs = {name: np.repeat(values[:1], 2, axis=0) for name, values in inputs.items()}
    for name, null in nulls.items():
        inputs[f"{name}.encoded"][0] = null
        inputs[f"{name}.encoded"][1, -1] = value
    encoder, ranker = serving_graphs(whole, plan, nulls)
    with torch.no_grad():
        state = encoder(*[torch.from_numpy(inputs[tensor.name]) for tensor in plan.encoder_inputs])
        inputs |= {tensor.name: values.numpy() for tensor, values in zip(plan.state, state, strict=True)}
        ids, score = ranker(*[torch.from_numpy(inputs[tensor.name]) for tensor in plan.ranker_inputs])
    torch.testing.assert_close(state[0][0], state[0][1])
    assert torch.equal(ids[0], ids[1])
    torch.testing.assert_close(score[0], score[1])
    assert torch.isfinite(score[:, 0]).all()


def test_scores_that_are_not_finite_leave_empty_slots(
    fitted: FittedSchema, whole: OfflineOnline, plan: RankingPlan, nulls: Nulls
) -> None:
    inputs = random_inputs(plan.ranker_inputs, 2, 4, fitted)
    inputs["user_embedding"][1] = np.nan
    with torch.no_grad():
        ids, score = serving_graphs(whole, plan, nulls)[1](
            *[torch.from_numpy(inputs[tensor.name]) for tensor in plan.ranker_inputs]
        )
    assert ids[0, 0] > 2
    assert ids[1].tolist() == [0] * plan.top_k
    assert score[1].tolist() == [-torch.inf] * plan.top_k
