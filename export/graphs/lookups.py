"""ONNX graphs that look up raw ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from export.graphs.known_ids import check_ids
from export.graphs.onnx import IR_VERSION, OPSET
from export.triton.tensors import ITEM_ID, ITEM_IDS


def write_decode(item_ids: Sequence[str], top_k: int, path: Path) -> None:
    """Write a graph that looks up raw ids: item_ids [B, K] int64 -> item_id [B, K] string.

    `item_ids[r]` belongs to id r. K is `top_k`; an id out of range becomes "", like unknown ids.
    """
    import onnx
    from onnx import TensorProto, helper

    vocabulary = TensorProto(name="vocabulary", data_type=TensorProto.STRING, dims=[len(item_ids)])
    vocabulary.string_data.extend(item.encode() for item in item_ids)
    gather = helper.make_node("Gather", ["vocabulary", ITEM_IDS], [ITEM_ID], name="look_up")
    ends = [
        helper.make_tensor_value_info(name, dtype, ["batch", width])
        for name, dtype, width in ((ITEM_IDS, TensorProto.INT64, "k"), (ITEM_ID, TensorProto.STRING, top_k))
    ]
    graph = helper.make_graph([gather], "decode", ends[:1], ends[1:], [vocabulary])
    check_ids(graph, {ITEM_IDS: len(item_ids)})
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="naiad"), str(path))
