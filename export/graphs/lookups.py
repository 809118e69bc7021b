"""ONNX graphs that look up raw ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.graphs.known_ids import check_ids
from export.graphs.onnx import IR_VERSION, OPSET
from export.triton.tensors import ITEM_ID, ITEM_IDS


@dataclass(frozen=True)
class Decoded:
    """A tensor of ids, [B, `width`], and its strings: `strings[r]` belongs to id r."""

    ids: str
    output: str
    width: int
    strings: Sequence[str]


def write_decode(item_ids: Sequence[str], top_k: int, path: Path, *also: Decoded) -> None:
    """Write a graph that looks up raw ids: item_ids [B, K] int64 -> item_id [B, K] string, and others in `also`.

    `item_ids[r]` belongs to id r. K is `top_k`; an id out of range becomes "", like unknown ids.
    """
    import onnx
    from onnx import TensorProto, helper

    tables = (Decoded(ITEM_IDS, ITEM_ID, top_k, item_ids), *also)
    graph = helper.make_graph([], "decode", [], [])
    for place, each in enumerate(tables):
        name = "vocabulary" if place == 0 else f"vocabulary_of_{each.output}"
        vocabulary = graph.initializer.add(name=name, data_type=TensorProto.STRING, dims=[len(each.strings)])
        vocabulary.string_data.extend(string.encode() for string in each.strings)
        node_name = "look_up" if place == 0 else f"look_up_{each.output}"
        graph.node.append(helper.make_node("Gather", [name, each.ids], [each.output], name=node_name))
        width: str | int = "k" if place == 0 else each.width
        graph.input.append(helper.make_tensor_value_info(each.ids, TensorProto.INT64, ["batch", width]))
        graph.output.append(helper.make_tensor_value_info(each.output, TensorProto.STRING, ["batch", each.width]))
    check_ids(graph, {each.ids: len(each.strings) for each in tables})
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="naiad"), str(path))
