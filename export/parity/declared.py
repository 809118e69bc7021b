"""The comparison of a repository's graphs with their config.pbtxt, by the rules of NVIDIA's backends.

An ONNX graph's inputs and outputs equal those of the config in name and dtype. Outputs have exactly the config's shape:
-1 is a length that is open in the graph too. An input's length may be open in the graph and a number in the config; a
number in the graph has to be the config's. The batch is open. TorchScript tensors are found by the number at the end
of their names, and are not strings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.errors import EXPORT_AGAIN, DeclarationError
from export.parity.model_files import open_session, open_torchscript
from export.triton.config import TRITON_DTYPES, ModelConfig, read_config
from export.triton.files import TORCHSCRIPT, model_path
from export.triton.tensors import Tensor

_ONNX_DTYPES = {"tensor(string)": "string", "tensor(int64)": "int64", "tensor(float)": "float32"}
_REMEDY = f"{EXPORT_AGAIN} with this version of naiad, and report it if that does not help"


def require_declared(repository: str | Path) -> None:
    """Raise `DeclarationError` with the model, the tensor and both shapes if a backend would not load a model."""
    for path in sorted(Path(repository).glob("*/config.pbtxt")):
        config = read_config(repository, path.parent.name)
        if config.backend == "onnxruntime":
            session = open_session(model_path(repository, config.name), threads=1, optimized=False)
            _compare_side(config, "input", config.inputs, session.get_inputs())
            _compare_side(config, "output", config.outputs, session.get_outputs())
        elif config.backend == "pytorch":
            module = open_torchscript(model_path(repository, config.name, TORCHSCRIPT))
            _compare_module(config, len(module.forward.schema.arguments) - 1)


def _compare_side(config: ModelConfig, side: str, declared: tuple[Tensor, ...], nodes: list[Any]) -> None:
    stated = {node.name: node for node in nodes}
    if stated.keys() != {tensor.name for tensor in declared}:
        raise DeclarationError(
            f"{config.name}: its graph has the {side}s {', '.join(sorted(stated))}, config.pbtxt declares "
            f"{', '.join(sorted(tensor.name for tensor in declared))}: {_REMEDY}"
        )
    for tensor in declared:
        node = stated[tensor.name]
        dtype = _ONNX_DTYPES.get(node.type, node.type)
        if dtype != tensor.dtype:
            raise DeclarationError(
                f"{config.name}: {side} {tensor.name} is {dtype} in its graph, config.pbtxt declares "
                f"{tensor.dtype}: {_REMEDY}"
            )
        shape = [size if isinstance(size, int) else -1 for size in node.shape]
        wanted = [-1, *tensor.dims]
        # An open length of an input accepts any size in the config.
        same = side == "input" and len(shape) == len(wanted)
        seen = [own if one == -1 else one for one, own in zip(shape, wanted, strict=True)] if same else shape
        if seen != wanted or shape[:1] != [-1]:
            raise DeclarationError(
                f"{config.name}: {side} {tensor.name} is {shape} in its graph, config.pbtxt declares {wanted}, "
                f"which NVIDIA's onnxruntime backend does not load: {_REMEDY}"
            )


def _compare_module(config: ModelConfig, arguments: int) -> None:
    if arguments != len(config.inputs):
        raise DeclarationError(
            f"{config.name}: forward takes {arguments} tensors, config.pbtxt declares {len(config.inputs)} inputs: "
            f"{_REMEDY}"
        )
    for side, tensors in (("input", config.inputs), ("output", config.outputs)):
        for place, tensor in enumerate(tensors):
            if tensor.dtype == "string" or not tensor.name.endswith(f"__{place}"):
                raise DeclarationError(
                    f"{config.name}: {side} {tensor.name} is a {TRITON_DTYPES[tensor.dtype]}, expected a number's "
                    f"type and a name that ends in __{place}: {_REMEDY}"
                )
