"""The check of ids: an id out of range means unknown, so a graph with lookups answers to any id.

A row with a failing lookup would fail its whole batch, with rows of other callers, in backends that run a batch as one,
like NVIDIA's own. So a member begins with a check of each input of ids. A fused graph needs none, because all its ids
come from vocabularies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from export.triton.tensors import ENCODED, Tensor, encoded_tensor
from preprocessing.schema import UNKNOWN_ID, FittedSchema
from preprocessing.schema import Sequence as SequenceFeature

if TYPE_CHECKING:
    import onnx

CHECK = "known_ids/"
"""Prefix of the names of nodes and tensors of the check."""

Counts = Mapping[str, int]
"""The number of ids of each tensor of ids, by name: ids are 0 … count - 1."""


def id_counts(fitted: FittedSchema, *of_items: str) -> Counts:
    """Return the number of ids of every encoded feature, and of the tensors `of_items`, which contain items."""
    schema = fitted.schema_
    counts = dict.fromkeys(of_items, fitted.items)
    for feature in (*schema.request_features, schema.item_id, *schema.item_features):
        if encoded_tensor(feature).dtype == "int64":
            is_items = isinstance(feature, SequenceFeature)
            counts[feature.name + ENCODED] = fitted.items if is_items else fitted.cardinality(feature.name)
    return counts


class CheckedGraph(nn.Module):
    """A wrapper of a module of positional tensors that replaces ids out of range with the unknown id."""

    def __init__(self, graph: nn.Module, inputs: Sequence[Tensor], counts: Counts) -> None:
        super().__init__()
        self.graph = graph
        self._counts = [counts[each.name] if each.dtype == "int64" else None for each in inputs]

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        known = [
            each if count is None else torch.where((each >= 0) & (each < count), each, UNKNOWN_ID)
            for each, count in zip(tensors, self._counts, strict=True)
        ]
        answer: torch.Tensor | tuple[torch.Tensor, ...] = self.graph(*known)
        return answer


def check_file(path: Path, counts: Counts) -> None:
    """Apply `check_ids` to an ONNX file."""
    import onnx

    model = onnx.load(path)
    check_ids(model.graph, counts)
    onnx.save(model, str(path))


def check_ids(graph: onnx.GraphProto, counts: Counts) -> None:
    """Insert a check after every input of ids."""
    import onnx
    from onnx import helper

    def constant(value: int) -> str:
        name = f"{CHECK}{value}"
        if name not in constants:
            constants[name] = helper.make_tensor(name, onnx.TensorProto.INT64, [], [value])
        return name

    constants: dict[str, onnx.TensorProto] = {}
    checks: list[onnx.NodeProto] = []
    named: dict[str, str] = {}
    for each in graph.input:
        if each.type.tensor_type.elem_type != onnx.TensorProto.INT64 or each.name not in counts:
            continue
        near, is_known, known = (f"{CHECK}{each.name}/{what}" for what in ("near", "is_known", "known"))
        unknown, ends = constant(UNKNOWN_ID), [constant(0), constant(counts[each.name] - 1)]
        for operator, inputs, output in (
            ("Clip", [each.name, *ends], near),
            ("Equal", [near, each.name], is_known),
            ("Where", [is_known, each.name, unknown], known),
        ):
            checks.append(helper.make_node(operator, inputs, [output], output))
        named[each.name] = known
        # ONNX Runtime fuses fewer nodes where it does not know shapes, and would answer with other last bits.
        stated = graph.value_info.add()
        stated.CopyFrom(each)
        stated.name = known
    nodes = list(graph.node)
    _rename_inputs(nodes, named)
    del graph.node[:]
    graph.node.extend([*checks, *nodes])
    graph.initializer.extend(constants.values())


def without_checks(graph: onnx.GraphProto) -> None:
    """Remove the checks of `check_ids`."""
    named = {
        node.output[0]: node.input[1] for node in graph.node if node.name.startswith(CHECK) and node.op_type == "Where"
    }
    fields: tuple[Any, ...] = (graph.node, graph.initializer, graph.value_info)
    for field in fields:
        kept = [each for each in field if not each.name.startswith(CHECK)]
        del field[:]
        field.extend(kept)
    _rename_inputs(graph.node, named)


def _rename_inputs(nodes: Sequence[onnx.NodeProto], named: Mapping[str, str]) -> None:
    for node in nodes:
        node.input[:] = [named.get(name, name) for name in node.input]
