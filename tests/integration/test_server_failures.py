"""A server that cannot start says why: the port, each broken model, Triton's own words, the time."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from serving.errors import ModelLoadError, ServerDiedError, StartTimeoutError
from serving.server import run_triton
from tests.in_process import run_in_process
from tests.integration.doubling import words, write_double

PYTHON_MODEL = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("the index of items is missing")
    def execute(self, requests):
        return []
"""


def test_a_taken_port_is_refused_in_one_line_before_triton_starts(good: Path) -> None:
    with run_triton(good, grace_s=0) as first:
        done = run_in_process(*words("--repository", good, f"--grpc-port={first.ports.grpc}"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"port {first.ports.grpc} of 127.0.0.1" in done.stderr
    assert "--grpc-port" in done.stderr


def test_every_broken_model_is_named_with_its_reason(tmp_path: Path, write_onnx: Callable[..., None]) -> None:
    for name in ("good", "dtype", "name", "rank", "looser", "corrupt", "absent", "threads"):
        threads = 'parameters { key: "intra_op_thread_count" value { string_value: "many" } }'
        write_double(write_onnx, tmp_path, name, config=threads if name == "threads" else "")
    for name, old, new in (
        ("dtype", "TYPE_FP32 dims: [-1] }]\noutput", "TYPE_INT64 dims: [-1] }]\noutput"),
        ("name", 'name: "y"', 'name: "z"'),
        ("rank", "dims: [-1]", "dims: [-1, 2]"),
        ("looser", "dims: [-1] }]\ninstance", "dims: [100] }]\ninstance"),
    ):
        config = tmp_path / name / "config.pbtxt"
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))
    (tmp_path / "corrupt" / "1" / "model.onnx").write_bytes(b"no graph")
    (tmp_path / "absent" / "1" / "model.onnx").rename(tmp_path / "absent" / "1" / "other.onnx")
    (tmp_path / "python" / "1").mkdir(parents=True)
    (tmp_path / "python" / "1" / "model.py").write_text(PYTHON_MODEL)
    python_config = (tmp_path / "good" / "config.pbtxt").read_text().replace("onnxruntime", "python")
    (tmp_path / "python" / "config.pbtxt").write_text(python_config)

    with pytest.raises(ModelLoadError) as caught, run_triton(tmp_path, grace_s=0):
        pass
    expected = {
        "dtype": "input 'x' is TYPE_INT64 in config.pbtxt and TYPE_FP32 in the graph",
        "name": "declares output 'z', the graph has ['y']",
        "rank": "input 'x': the model expects shape [-1, -1] but config.pbtxt specifies [-1, -1, 2]",
        "looser": "output 'y': the model expects shape [-1, -1] but config.pbtxt specifies [-1, 100]",
        "corrupt": "Protobuf parsing failed",
        "absent": "model.onnx does not exist",
        "threads": "intra_op_thread_count is 'many'",
        "python": "the index of items is missing",
    }
    assert set(caught.value.reasons) == set(expected)
    for name, part in expected.items():
        assert part in caught.value.reasons[name]
    assert any("model.py(" in line for line in caught.value.log_lines)
    assert "\n" not in str(caught.value)


def test_a_decode_that_leaves_its_number_of_items_open_is_refused_by_name(
    tmp_path: Path, write_onnx: Callable[..., None]
) -> None:
    items = helper.make_node(
        "LabelEncoder", ["item_ids"], ["item_id"], domain="ai.onnx.ml", keys_int64s=[3], values_strings=["milk"]
    )
    write_onnx(
        tmp_path, "decode", [items], {"item_ids": (TensorProto.INT64, ["k"])}, {"item_id": (TensorProto.STRING, ["k"])}
    )
    config = tmp_path / "decode" / "config.pbtxt"
    config.write_text(config.read_text().replace("dims: [-1]", "dims: [100]"))
    with pytest.raises(ModelLoadError) as caught, run_triton(tmp_path, grace_s=0):
        pass
    assert str(caught.value).startswith("model 'decode' did not load: output 'item_id': the model expects")
    assert "shape [-1, -1] but config.pbtxt specifies [-1, 100]" in str(caught.value)


def test_the_command_shows_the_log_lines_of_a_broken_model(tmp_path: Path, write_onnx: Callable[..., None]) -> None:
    write_double(write_onnx, tmp_path / "models", "broken")
    (tmp_path / "models" / "broken" / "1" / "model.onnx").write_bytes(b"no graph")
    log = tmp_path / "triton.log"
    done = run_in_process(*words("--repository", tmp_path / "models", "--log-file", log))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("naiad: model 'broken' did not load: ")
    assert "  failed to load 'broken' version 1" in done.stderr
    assert "failed to load 'broken'" in log.read_text()


def test_triton_that_ends_at_once_is_noticed_with_its_words(good: Path) -> None:
    began = time.monotonic()
    with (
        pytest.raises(ServerDiedError) as caught,
        run_triton(good, grace_s=0, timeout_s=60, triton_args=["--no-such-option"]),
    ):
        pass
    assert time.monotonic() - began < 10
    assert any("no-such-option" in line for line in caught.value.log_lines)


def test_a_server_that_is_not_ready_in_time_is_given_up(good: Path) -> None:
    with pytest.raises(StartTimeoutError, match=r"0\.05 s"), run_triton(good, grace_s=0, timeout_s=0.05):
        pass
