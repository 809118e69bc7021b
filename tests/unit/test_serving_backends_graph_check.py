"""A config.pbtxt against its graph, by the rules of NVIDIA's onnxruntime backend."""

from typing import Any, NamedTuple

import pytest

from serving.backends.graph_check import check_inputs, check_outputs


class Node(NamedTuple):
    """An input or output as ONNX Runtime reports it."""

    name: str
    type: str
    shape: list[int | str | None]


def config(side: str, dims: list[int], *, batch: int = 16, dtype: str = "TYPE_FP32", **more: Any) -> dict[str, Any]:
    return {"max_batch_size": batch, side: [{"name": "x", "data_type": dtype, "dims": dims, **more}]}


@pytest.mark.parametrize(
    ("dims", "shape", "fits"),
    [
        ([100], ["batch", 100], True),
        ([-1], ["batch", "k"], True),
        ([100], ["batch", "k"], False),
        ([-1], ["batch", 100], False),
        ([100], ["batch", None], False),
        ([100], ["batch", 99], False),
        ([100], ["batch", 100, 1], False),
        ([100], [1, 100], False),
    ],
)
def test_an_output_has_exactly_the_shape_of_the_config(dims: list[int], shape: list[Any], fits: bool) -> None:
    node = Node("x", "tensor(float)", shape)
    if fits:
        check_outputs(config("output", dims), [node])
        return
    with pytest.raises(ValueError, match=r"output 'x'.*\[.*\].*: "):
        check_outputs(config("output", dims), [node])


@pytest.mark.parametrize(
    ("dims", "shape", "fits"),
    [
        ([100], ["batch", "k"], True),
        ([-1], ["batch", "k"], True),
        ([100], ["batch", 100], True),
        ([-1], ["batch", 100], False),
        ([99], ["batch", 100], False),
        ([-1, 2], ["batch", "k"], False),
        ([1], [16, 1], False),
    ],
)
def test_an_input_whose_graph_leaves_a_size_open_takes_the_config_s(
    dims: list[int], shape: list[Any], fits: bool
) -> None:
    node = Node("x", "tensor(float)", shape)
    if fits:
        check_inputs(config("input", dims), [node])
        return
    with pytest.raises(ValueError, match=r"input 'x'.*\[.*\].*: "):
        check_inputs(config("input", dims), [node])


def test_without_batches_the_whole_shape_is_compared() -> None:
    check_outputs(config("output", [2, 3], batch=0), [Node("x", "tensor(float)", [2, 3])])
    with pytest.raises(ValueError, match=r"expects shape \[-1, 3\] but config.pbtxt specifies \[2, 3\]: "):
        check_outputs(config("output", [2, 3], batch=0), [Node("x", "tensor(float)", ["a", 3])])


def test_a_scalar_of_the_graph_is_declared_as_ones() -> None:
    scalar = Node("x", "tensor(float)", [])
    check_outputs(config("output", [1], batch=0), [scalar])
    with pytest.raises(ValueError, match="scalar"):
        check_outputs(config("output", [2], batch=0), [scalar])


def test_a_reshape_is_what_is_compared() -> None:
    check_outputs(config("output", [4, 5], reshape={"shape": [20]}), [Node("x", "tensor(float)", ["batch", 20])])
    check_outputs(config("output", [1], reshape={"shape": []}), [Node("x", "tensor(float)", ["batch"])])


def test_names_and_types_have_to_be_the_graph_s() -> None:
    other = Node("y", "tensor(float)", ["batch", 1])
    with pytest.raises(ValueError, match=r"declares output 'x', the graph has \['y'\]"):
        check_outputs(config("output", [1]), [other])
    with pytest.raises(ValueError, match=r"needs inputs \['y'\] that config.pbtxt does not declare"):
        check_inputs(config("input", [1]), [Node("x", "tensor(float)", ["batch", 1]), other])
    with pytest.raises(ValueError, match=r"TYPE_FP32 in config\.pbtxt and TYPE_INT64 in the graph"):
        check_outputs(config("output", [1]), [Node("x", "tensor(int64)", ["batch", 1])])
    with pytest.raises(ValueError, match=r"tensor\(bfloat16\) in the graph"):
        check_outputs(config("output", [1]), [Node("x", "tensor(bfloat16)", ["batch", 1])])
    check_outputs(config("output", [1]), [Node("x", "tensor(float)", ["batch", 1]), other])


def test_what_the_native_backend_has_no_optional_inputs_for_is_refused() -> None:
    node = Node("x", "tensor(float)", ["batch", 1])
    with pytest.raises(ValueError, match="'x' is optional"):
        check_inputs(config("input", [1], optional=True), [node])
    with pytest.raises(ValueError, match=r"\['x'\] are initializers of the graph: mark them `optional: true`"):
        check_inputs(config("input", [1], batch=0), [], [Node("x", "tensor(float)", [1])])
    check_inputs(config("input", [1], batch=0, optional=True), [], [Node("x", "tensor(float)", [1])])
    with pytest.raises(ValueError, match="ragged"):
        check_inputs(config("input", [-1], allow_ragged_batch=True), [Node("x", "tensor(float)", ["n"])])
