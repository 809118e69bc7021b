"""The chain as one ONNX graph: the members of the ensemble without hops between them.

Names of nodes and tensors are those in the member, prefixed with the member's name; tensors that pass between
members keep their names. Equal constants of several members, such as the item table, are stored once. The members'
checks of ids are left out, because all ids come from the graph itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import helper

from export.errors import GraphError
from export.graphs.known_ids import without_checks
from export.graphs.onnx import IR_VERSION


def write_fused(
    members: Mapping[str, Path], outputs: Sequence[str], path: Path, inputs: Sequence[str] | None = None
) -> None:
    """Chain ONNX files by the names of their inputs and outputs.

    Args:
        members: Member name -> file, in the order of the chain. Each takes inputs of the graph and outputs of earlier
            members.
        outputs: The graph's outputs, in this order.
        path: The file to write.
        inputs: The graph's inputs, in this order; by default those of the first member.

    Raises:
        GraphError: A member takes a tensor that no earlier one returns, or the members need different opset versions.

    """
    models = {name: onnx.load(file) for name, file in members.items()}
    graphs = [_prefixed(name, model.graph) for name, model in models.items()]
    given = {each.name: each for graph in graphs for each in graph.output}
    taken = {each.name: each for graph in reversed(graphs) for each in graph.input}
    entries = list(graphs[0].input) if inputs is None else [taken[name] for name in inputs]
    _require_given(list(models), graphs, {each.name for each in entries})
    fused = helper.make_graph(
        [node for graph in graphs for node in graph.node],
        path.parent.parent.name,
        entries,
        [given[name] for name in outputs],
    )
    # ONNX Runtime fuses fewer nodes if it does not know shapes, and the last bits of answers would differ.
    fused.value_info.extend(_value_infos(graphs, entries))
    fused.initializer.extend(_stored_once(graphs, fused.node))
    opsets = [helper.make_opsetid(domain, version) for domain, version in _opsets(models).items()]
    model = helper.make_model(fused, opset_imports=opsets, ir_version=IR_VERSION, producer_name="naiad")
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _prefixed(member: str, graph: onnx.GraphProto) -> onnx.GraphProto:
    """Return the graph with `MEMBER/` before every name except those of its inputs and outputs."""
    kept = {"", *(each.name for each in (*graph.input, *graph.output))}

    def renamed(name: str) -> str:
        return name if name in kept else f"{member}/{name}"

    without_checks(graph)
    for node in graph.node:
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise GraphError(f"{member}: {node.op_type} {node.name} has a subgraph: cannot be fused")
        node.name = f"{member}/{node.name}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for initializer in graph.initializer:
        initializer.name = renamed(initializer.name)
    for stated in graph.value_info:
        stated.name = renamed(stated.name)
    return graph


def _value_infos(
    graphs: Sequence[onnx.GraphProto], entries: Sequence[onnx.ValueInfoProto]
) -> list[onnx.ValueInfoProto]:
    """Return the shapes of tensors inside the graph, from the members; for a passed tensor, of its first consumer."""
    ends = {each.name for each in (*entries, *graphs[-1].output)}
    stated: dict[str, onnx.ValueInfoProto] = {}
    for graph in graphs:
        for each in (*graph.input, *graph.value_info):
            if each.name not in ends:
                stated.setdefault(each.name, each)
    return list(stated.values())


def _stored_once(graphs: Sequence[onnx.GraphProto], nodes: Sequence[onnx.NodeProto]) -> list[onnx.TensorProto]:
    """Return the constants of all graphs, equal ones once, and let the nodes read these."""
    kept: dict[bytes, onnx.TensorProto] = {}
    name_of: dict[str, str] = {}
    for graph in graphs:
        for initializer in graph.initializer:
            name, initializer.name = initializer.name, ""
            same = kept.setdefault(initializer.SerializeToString(deterministic=True), initializer)
            # The first constant with this content gives the name.
            initializer.name = name
            name_of[name] = same.name
    for node in nodes:
        node.input[:] = [name_of.get(name, name) for name in node.input]
    return list(kept.values())


def _require_given(members: Sequence[str], graphs: Sequence[onnx.GraphProto], entries: set[str]) -> None:
    given = entries
    for member, graph in zip(members, graphs, strict=True):
        for each in graph.input:
            if each.name not in given:
                raise GraphError(f"{member}: takes {each.name}, which no earlier model returns: export them together")
        given |= {each.name for each in graph.output}


def _opsets(models: Mapping[str, onnx.ModelProto]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for member, model in models.items():
        for opset in model.opset_import:
            version = versions.setdefault(opset.domain, opset.version)
            if version != opset.version:
                operators = opset.domain or "ai.onnx"
                raise GraphError(
                    f"{member}: needs version {opset.version} of {operators}, others {version}: export them together"
                )
    return versions
