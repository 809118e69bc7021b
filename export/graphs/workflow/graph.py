"""A builder of ONNX graphs with readable node names, which stores equal constants once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.graphs.known_ids import Counts, check_ids
from export.graphs.onnx import IR_VERSION, OPSET
from export.triton.tensors import Dtype, Tensor

# LabelEncoder with int64 on both sides needs version 3 of the operators for classical models.
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3
_TYPES: dict[Dtype, int] = {"string": TensorProto.STRING, "int64": TensorProto.INT64, "float32": TensorProto.FLOAT}


@dataclass(frozen=True)
class Value:
    """A tensor of the graph.

    `dtype`: the type in which pandas computes. `held`: the tensor's type, if different: float32 with exactly the
    numbers of a float64 column. `nullable`: it may contain NaN. `exact`: equal to NVTabular's to the last bit, which is
    not guaranteed after a logarithm.
    """

    name: str
    dtype: np.dtype[Any]
    held: np.dtype[Any] | None = None
    nullable: bool = False
    exact: bool = True

    @property
    def stored(self) -> np.dtype[Any]:
        """The type of the tensor itself."""
        return self.held or self.dtype


class Graph:
    """Collect nodes and constants; `column` prefixes the names of added nodes until it is set again."""

    def __init__(self) -> None:
        self.column = ""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._names: set[str] = set()

    def node(
        self, operator: str, inputs: Sequence[str], name: str, output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node named `column/name` with one output; return its name."""
        return self.nodes(operator, inputs, name, [output] if output else [""], **attributes)[0]

    def nodes(
        self, operator: str, inputs: Sequence[str], name: str, outputs: Sequence[str], **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs; "" is an output that needs a name."""
        full = self._free(f"{self.column}/{name}")
        named = [output or (full if len(outputs) == 1 else f"{full}.{place}") for place, output in enumerate(outputs)]
        domain = ML_DOMAIN if operator == "LabelEncoder" else ""
        self._nodes.append(helper.make_node(operator, list(inputs), named, full, domain=domain, **attributes))
        return named

    def constant(self, value: Any, dtype: Any, shape: Sequence[int] | None = None) -> str:
        """Return the name of a constant; `shape` is by default that of `value`."""
        array: NDArray[Any] = np.asarray(value, dtype=dtype)
        array = array if shape is None else array.reshape(shape)
        key = array.tobytes() + f"{array.dtype}{array.shape}".encode()
        if key not in self._constants:
            shown = str(array.reshape(-1)[0]) if array.size == 1 else f"{array.size} of {len(self._constants)}"
            name = self._free(f"constant/{array.dtype}/{shown}")
            self._initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def strings(self, values: Sequence[str], name: str) -> str:
        """Return the name of a constant of strings, [N]."""
        constant = onnx.TensorProto(name=self._free(name), data_type=TensorProto.STRING, dims=[len(values)])
        constant.string_data.extend(each.encode() for each in values)
        self._initializers.append(constant)
        return constant.name

    def cast(self, value: str, seen: np.dtype[Any], wanted: np.dtype[Any]) -> str:
        """Return the tensor as another numpy type, or itself if it has that type."""
        if seen == wanted:
            return value
        return self.node("Cast", [value], f"to_{wanted}", to=helper.np_dtype_to_tensor_dtype(wanted))

    def typed(self, value: Value, wanted: np.dtype[Any]) -> str:
        """Return the value's tensor as another numpy type, through the type in which pandas computes."""
        if value.held is not None and np.can_cast(value.held, wanted):
            return self.cast(value.name, value.held, wanted)
        return self.cast(self.cast(value.name, value.stored, value.dtype), value.dtype, wanted)

    def save(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        path: Path,
        name: str = "preprocess",
        counts: Counts | None = None,
    ) -> None:
        """Check and write the graph; the batch and every -1 are dynamic. `counts`: number of ids of inputs with ids."""
        graph = helper.make_graph(
            self._nodes,
            name,
            [_value_info(tensor, "length") for tensor in inputs],
            [_value_info(tensor, "width") for tensor in outputs],
            self._initializers,
        )
        check_ids(graph, counts or {})
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="naiad")
        onnx.checker.check_model(model)
        onnx.save(model, str(path))

    def _free(self, name: str) -> str:
        free, count = name, 1
        while free in self._names:
            count += 1
            free = f"{name}_{count}"
        self._names.add(free)
        return free


def _value_info(tensor: Tensor, dynamic: str) -> onnx.ValueInfoProto:
    shape = ["batch", *(f"{tensor.name}.{dynamic}" if d == -1 else d for d in tensor.dims)]
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], shape)
