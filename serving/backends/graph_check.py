"""The comparison of a graph with its config.pbtxt, as strict as that of NVIDIA's onnxruntime backend (`ValidateInputs`,
`ValidateOutputs` and `CompareDimsSupported` of its release 24.10; main has the same rules).

Dimensions after the batch: a symbolic one of a graph's input accepts any size in the config; a fixed one has to equal
the config's, and -1 does not match it; those of an output equal the config's exactly, -1 for -1.
"""

from collections.abc import Iterable, Sequence
from typing import Any

ONNX_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}


def check_inputs(config: dict[str, Any], nodes: Sequence[Any], initializers: Iterable[Any] = ()) -> None:
    """Compare the config's inputs with the graph's.

    Args:
        config: The model's config, as Triton passes it.
        nodes: The graph's inputs, with `name`, `type` and `shape` as ONNX Runtime reports them.
        initializers: Its initializers that a request may override.

    Raises:
        ValueError: A name, dtype or shape differs, or a side has inputs that the other lacks.

    """
    declared = config["input"]
    missing = {node.name for node in nodes} - {each["name"] for each in declared}
    if missing:
        raise ValueError(f"the graph needs inputs {sorted(missing)} that config.pbtxt does not declare: add them")
    graph = {node.name: node for node in [*nodes, *initializers]}
    for each in declared:
        name = each["name"]
        _check_name_and_dtype("input", each, graph)
        if each.get("optional") and config["max_batch_size"] > 0:
            raise ValueError(f"input '{name}' is optional, which a model with batches cannot have: remove `optional`")
        if each.get("allow_ragged_batch"):
            raise ValueError(f"input '{name}' asks for ragged batches, which our backends do not support: remove that")
        _check_shape("input", each, graph[name], config, exact=False)
    overridden = {each["name"] for each in declared if not each.get("optional")} - {node.name for node in nodes}
    if overridden:
        raise ValueError(f"inputs {sorted(overridden)} are initializers of the graph: mark them `optional: true`")


def check_outputs(config: dict[str, Any], nodes: Sequence[Any]) -> None:
    """Compare the config's outputs with the graph's; the graph may have more.

    Raises:
        ValueError: A name or dtype differs, or a shape is not exactly the config's.

    """
    graph = {node.name: node for node in nodes}
    for each in config["output"]:
        _check_name_and_dtype("output", each, graph)
        _check_shape("output", each, graph[each["name"]], config, exact=True)


def _check_name_and_dtype(side: str, declared: dict[str, Any], graph: dict[str, Any]) -> None:
    name = declared["name"]
    if name not in graph:
        raise ValueError(f"config.pbtxt declares {side} '{name}', the graph has {sorted(graph)}: rename one")
    dtype = ONNX_TYPES.get(graph[name].type, graph[name].type)
    if dtype != declared["data_type"]:
        raise ValueError(
            f"{side} '{name}' is {declared['data_type']} in config.pbtxt and {dtype} in the graph: state the graph's"
        )


def _check_shape(side: str, declared: dict[str, Any], node: Any, config: dict[str, Any], *, exact: bool) -> None:
    name = declared["name"]
    dims = [int(size) for size in declared.get("reshape", {"shape": declared["dims"]}).get("shape", [])]
    shape = [size if isinstance(size, int) else -1 for size in node.shape or ()]
    if not shape:
        if any(size != 1 for size in dims):
            raise ValueError(f"{side} '{name}' is a scalar in the graph and {dims} in config.pbtxt: state [1]")
        return
    batched = config["max_batch_size"] > 0
    if batched and shape[0] != -1:
        raise ValueError(
            f"{side} '{name}' has shape {shape} in the graph, and a model with batches needs -1 first: "
            "export the graph with a symbolic batch, or set max_batch_size: 0"
        )
    expected = [-1, *dims] if batched else dims
    same = len(shape) == len(expected) and all(
        seen == said or (seen == -1 and not exact) for seen, said in zip(shape, expected, strict=True)
    )
    if not same:
        raise ValueError(
            f"{side} '{name}': the model expects shape {shape} but config.pbtxt specifies {expected}"
            f"{' (with the batch)' if batched else ''}: state the same sizes in both, or export the repository again"
        )
