"""The chain as one graph: equal constants once, readable names, and no NVTabular where it is served."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.errors import GraphError
from export.families.offline_online.plan import ENCODER, RANKER, RECOMMEND_FUSED
from export.graphs.fused import write_fused
from export.triton.plan import DECODE, PREPROCESS
from tests.exported import CONFIG, repository


def graph_of(data: Path, model: str) -> onnx.GraphProto:
    return onnx.load(repository(data, "onnx") / model / "1" / "model.onnx").graph


def test_the_item_table_is_stored_once(compiled_data: Path) -> None:
    tables = [
        each
        for model in (ENCODER, RANKER)
        for each in graph_of(compiled_data, model).initializer
        if each.name == "table"
    ]
    assert len(tables) == 2
    fused = graph_of(compiled_data, RECOMMEND_FUSED).initializer
    assert [each.name for each in fused if list(each.dims) == list(tables[0].dims)] == [f"{ENCODER}/table"]
    assert tables[0].dims[1] == CONFIG.dim
    contents = [(each.data_type, tuple(each.dims), each.raw_data, tuple(each.string_data)) for each in fused]
    assert len(set(contents)) == len(contents)


def test_names_say_which_member_a_node_belongs_to(compiled_data: Path) -> None:
    fused = graph_of(compiled_data, RECOMMEND_FUSED)
    members = [PREPROCESS, ENCODER, RANKER, DECODE]
    assert {node.name.split("/")[0] for node in fused.node} == set(members)
    assert len({node.name for node in fused.node}) == len(fused.node)
    passed = {name for node in fused.node for name in node.output if "/" not in name}
    assert {"recent.encoded", "user_embedding", "repeat_items", "item_ids", "item_id", "score"} <= passed
    assert [each.name for each in fused.output] == ["item_id", "score"]
    assert [each.name for each in fused.input] == [each.name for each in graph_of(compiled_data, PREPROCESS).input]


SERVE_WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("nvtabular", "merlin", "pandas", "torch", "cudf", "dask"):
            raise ImportError(f"{name} is imported at serving time")
sys.meta_path.insert(0, Absent())
import pickle
pickle.load = pickle.loads = pickle.Unpickler = None
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
rows = {"tensor(string)": "", "tensor(int64)": 0, "tensor(float)": np.nan}
types = {"tensor(string)": object, "tensor(int64)": np.int64, "tensor(float)": np.float32}
feed = {}
for each in session.get_inputs():
    shape = [2, *(n if isinstance(n, int) else 4 for n in each.shape[1:])]
    feed[each.name] = np.full(shape, rows[each.type], types[each.type])
item_id, score = session.run(["item_id", "score"], feed)
assert np.isfinite(score).all() and all(item_id.ravel())
print(*item_id[0][:3])
"""


def test_the_fused_graph_answers_without_nvtabular_pandas_torch_and_pickle(compiled_data: Path) -> None:
    path = repository(compiled_data, "onnx") / RECOMMEND_FUSED / "1" / "model.onnx"
    done = subprocess.run([sys.executable, "-c", SERVE_WITHOUT, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) >= 3


def passing(path: Path, takes: str, gives: str, opset: int = 18) -> Path:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in (takes, gives)]
    graph = helper.make_graph([helper.make_node("Neg", [takes], [gives], name="minus")], "g", ends[:1], ends[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return path


def test_members_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    first = passing(tmp_path / "a.onnx", "x", "y")
    out = tmp_path / "fused" / "1" / "model.onnx"
    with pytest.raises(GraphError, match=r"^second: takes z, which no earlier model returns: export them together$"):
        write_fused({"first": first, "second": passing(tmp_path / "b.onnx", "z", "w")}, ["w"], out)
    other = passing(tmp_path / "c.onnx", "y", "w", opset=17)
    with pytest.raises(GraphError, match=r"^second: needs version 17 of ai.onnx, others 18: export them together$"):
        write_fused({"first": first, "second": other}, ["w"], out)
    assert not out.exists()
    write_fused({"first": first, "second": passing(tmp_path / "d.onnx", "y", "w")}, ["w"], passing(out, "x", "y"))
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"x": np.array([[2.5]], dtype=np.float32)})
    assert found.tolist() == [[2.5]]
