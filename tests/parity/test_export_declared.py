"""Every graph equals its config.pbtxt to the last dimension, or the repository is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from export.commands.embeddings import export_embeddings
from export.commands.items import refresh
from export.commands.stored import replace_stored
from export.commands.verify import verify
from export.data.golden import read_item_ids
from export.errors import DeclarationError
from export.families.offline_online.plan import RANKER
from export.graphs.onnx import OPSET
from export.parity.declared import require_declared
from export.triton.config import read_config
from export.triton.plan import DECODE
from preprocessing.fit import fit
from preprocessing.schema import load_schema
from tests import exported, two_stages, two_tower
from tests.synthetic import write_log

REPOSITORIES: dict[str, Callable[[Path], Path]] = {
    "offline_online": lambda data: exported.repository(data, "onnx"),
    "offline_online in torchscript": lambda data: exported.repository(data, "torchscript"),
    "two_tower": lambda data: two_tower.repository(data, *two_tower.EXPORTS[0]),
    "two_tower in torchscript with hnsw": lambda data: two_tower.repository(data, *two_tower.EXPORTS[1]),
    "retrieve_and_rank": lambda data: two_stages.repository(data, *two_tower.EXPORTS[0]),
    "retrieve_and_rank in torchscript with hnsw": lambda data: two_stages.repository(data, *two_tower.EXPORTS[1]),
}
LEAN = {"format": "torchscript", "reference_path": False}

ONE_ITEM = """
name = "one_item"
features = [
  { name = "last", kind = "sequence", side = "user", stage = "offline", max_length = 1, repeat = true },
  { name = "basket", kind = "sequence", side = "context", stage = "online", source = "session", max_length = 1 },
  { name = "device", kind = "categorical", side = "context", stage = "online", embedding_dim = 4 },
  { name = "item_id", column = "item", kind = "categorical", side = "item", embedding_dim = 16 },
]
[log]
[log.columns]
user = "user"
item = "item"
session = "session"
time = "time"
[split]
validation_days = 10
test_days = 10
"""


def old_decode(item_ids: list[str], _: int, path: Path) -> None:
    """`decode` as it was: the width of its answer left open."""
    vocabulary = TensorProto(name="vocabulary", data_type=TensorProto.STRING, dims=[len(item_ids)])
    vocabulary.string_data.extend(item.encode() for item in item_ids)
    gather = helper.make_node("Gather", ["vocabulary", "item_ids"], ["item_id"])
    ends = [
        helper.make_tensor_value_info(name, dtype, ["batch", "k"])
        for name, dtype in (("item_ids", TensorProto.INT64), ("item_id", TensorProto.STRING))
    ]
    graph = helper.make_graph([gather], "decode", ends[:1], ends[1:], [vocabulary])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10), str(path))


def put_old_decode_back(repository: Path, data: Path) -> None:
    path = repository / DECODE / "1" / "model.onnx"
    path.unlink()
    old_decode(read_item_ids(data), 0, path)


def assert_stated(repository: Path) -> int:
    """That graphs state, and ONNX Runtime finds, the config's tensors; how many graphs there are."""
    paths = sorted(repository.glob("*/1/model.onnx"))
    for path in paths:
        config = read_config(repository, path.parent.parent.name)
        graph = onnx.load(path).graph
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for declared, stated, found in (
            (config.inputs, graph.input, session.get_inputs()),
            (config.outputs, graph.output, session.get_outputs()),
        ):
            wanted = {tensor.name: ["batch", *tensor.dims] for tensor in declared}
            if config.name == DECODE and declared is config.inputs:
                # Whoever has fewer ids at hand may ask for them.
                wanted["item_ids"] = ["batch", -1]
            of_file = {
                each.name: [dim.dim_value or dim.dim_param for dim in each.type.tensor_type.shape.dim]
                for each in stated
            }
            for shapes in (of_file, {each.name: each.shape for each in found}):
                shown = {
                    name: [shape[0], *(-1 if isinstance(size, str) else size for size in shape[1:])]
                    for name, shape in shapes.items()
                }
                assert shown == wanted, config.name
    return len(paths)


@pytest.mark.parametrize(("family", "graphs"), list(zip(REPOSITORIES, (7, 4, 8, 4, 15, 6), strict=True)))
def test_every_graph_states_what_its_config_declares(compiled_data: Path, family: str, graphs: int) -> None:
    repository = REPOSITORIES[family](compiled_data)
    require_declared(repository)
    assert assert_stated(repository) == graphs


def test_sequences_of_one_item_have_a_width_that_is_known_in_graph_and_config(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", texts=False)
    (log / "schema.toml").write_text(ONE_ITEM)
    fit(load_schema(log / "schema.toml"), log, tmp_path / "data")
    two_stages.export(tmp_path / "data", tmp_path / "out", {"candidates": 12}, reference_path=False, exclude_seen=False)
    assert assert_stated(tmp_path / "out") == 15
    config = read_config(tmp_path / "out", RANKER)
    widths = {tensor.name: tensor.dims for tensor in config.inputs}
    assert widths["repeat_items"] == widths["repeat_logits"] == widths["basket.encoded"] == (1,)


def test_the_old_decode_is_refused_by_model_tensor_and_shape(compiled_data: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(REPOSITORIES["offline_online"](compiled_data), tmp_path / "repository")
    put_old_decode_back(copied, compiled_data)
    message = r"^decode: output item_id is \[-1, -1\] in its graph, config.pbtxt dec.* does not load: export the repos"
    with pytest.raises(DeclarationError, match=message):
        verify(copied, compiled_data)


def test_an_export_whose_graphs_are_not_what_it_declares_is_not_written(
    compiled_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.repository.members.write_decode", old_decode)
    model = exported.checkpoint(compiled_data)
    with pytest.raises(DeclarationError, match=r"^decode: output item_id"):
        exported.export(model, compiled_data, tmp_path / "out", {"stored_embeddings": False}, **LEAN)
    assert not list(tmp_path.iterdir())


def test_a_changed_repository_that_would_not_load_is_refused_and_left_as_it_was(
    compiled_data: Path, tmp_path: Path
) -> None:
    original = REPOSITORIES["retrieve_and_rank in torchscript with hnsw"](compiled_data)
    export_embeddings(original, compiled_data, tmp_path / "users.parquet", family="offline_online")
    copied = shutil.copytree(original, tmp_path / "repository")
    put_old_decode_back(copied, compiled_data)
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    with pytest.raises(DeclarationError, match=r"^decode: output item_id"):
        refresh(copied, compiled_data)
    with pytest.raises(DeclarationError, match=r"^decode: output item_id"):
        replace_stored(copied, tmp_path / "users.parquet")
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def change_config(old: str, new: str) -> Callable[[Path], None]:
    def change(repository: Path) -> None:
        path = repository / RANKER / "config.pbtxt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name: "device.encoded"', 'name: "devise.encoded"', r"its graph has the inputs .*device\.encoded"),
        ("data_type: TYPE_FP32\n  dims: 16", "data_type: TYPE_INT64\n  dims: 16", "input user_embedding is float32 in"),
        ("dims: 16", "dims: 17", r"input user_embedding is \[-1, 16\] in its graph, config.pbtxt declares \[-1, 17\]"),
        ("dims: 16", "dims: 16\n  dims: 1", r"input user_embedding is \[-1, 16\] in .* declares \[-1, 16, 1\]"),
        ("dims: 16", "dims: -1", r"input user_embedding is \[-1, 16\] in its graph, config.pbtxt declares \[-1, -1\]"),
    ],
)
def test_a_config_that_declares_what_the_graph_has_not_is_refused(
    compiled_data: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    copied = shutil.copytree(exported.repository(compiled_data, "onnx"), tmp_path / "repository")
    change_config(old, new)(copied)
    with pytest.raises(DeclarationError, match=f"^online_ranker: {message}"):
        require_declared(copied)
