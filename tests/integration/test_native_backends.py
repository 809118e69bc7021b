"""Native backends of a folder in place of our stand-ins."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc
from onnx import TensorProto, helper

from serving.native_backends import NATIVE, VARIABLE
from serving.server import run_triton
from tests.in_process import run_in_process
from tests.integration.doubling import words, write_double
from tests.integration.served import as_inputs

MODEL = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", 3 * array)]) for array in arrays]
"""


@pytest.fixture
def without_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.usefixtures("without_variable")
@pytest.mark.parametrize("named_by", ["argument", "variable"])
def test_a_library_of_the_folder_serves_in_place_of_the_stand_in(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    # A real native library that every installation has: the python backend's, here under the name of another.
    spec = importlib.util.find_spec("pytriton")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    wheel = Path(spec.submodule_search_locations[0]) / "tritonserver"
    folder = tmp_path / "backends" / "onnxruntime"
    folder.mkdir(parents=True)
    shutil.copy(wheel / "backends" / "python" / "libtriton_python.so", folder / NATIVE["onnxruntime"])
    shutil.copy(wheel / "backends" / "python" / "triton_python_backend_utils.py", folder)
    shutil.copy(wheel / "python_backend_stubs" / "3.11" / "triton_python_backend_stub", folder)
    # Beside a library of another name than its own it looks for the model's code.
    (folder / "model.py").write_text(MODEL)
    if named_by == "variable":
        monkeypatch.setenv(VARIABLE, str(folder.parent))
    with (
        run_triton(good, backends=folder.parent if named_by == "argument" else None, grace_s=0) as server,
        grpc.InferenceServerClient(server.grpc_target) as client,
    ):
        assert server.native == ("onnxruntime",)
        # The stand-in would be "model.py".
        assert client.get_model_config("double").config.runtime == ""
        assert client.infer("double", as_inputs({"x": np.ones((1, 1), np.float32)})).as_numpy("y").item() == 3


@pytest.mark.usefixtures("without_variable")
@pytest.mark.parametrize("named_by", ["argument", "variable"])
def test_a_folder_without_a_native_backend_is_refused_in_one_line(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    (tmp_path / "onnxruntime").mkdir()
    asked = words("--repository", good, *(["--backends", tmp_path] if named_by == "argument" else []))
    if named_by == "variable":
        monkeypatch.setenv(VARIABLE, str(tmp_path))
    done = run_in_process(*asked)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"naiad: {tmp_path} has no native backend: give a folder with onnxruntime/")


@pytest.mark.skipif(
    not os.environ.get(VARIABLE),
    reason=f"{VARIABLE} names no folder with NVIDIA's own backends; the other tests run on our stand-ins",
)
def test_nvidia_s_onnxruntime_backend_answers_as_documented(tmp_path: Path, write_onnx: Callable[..., None]) -> None:
    write_double(write_onnx, tmp_path, "double")
    echo = helper.make_node("Identity", ["text"], ["same"])
    write_onnx(tmp_path, "echo", [echo], {"text": (TensorProto.STRING, ["n"])}, {"same": (TensorProto.STRING, ["n"])})
    with run_triton(tmp_path, grace_s=0) as server, grpc.InferenceServerClient(server.grpc_target) as client:
        assert "onnxruntime" in server.native
        assert client.infer("double", as_inputs({"x": np.ones((1, 1), np.float32)})).as_numpy("y").item() == 2
        text = np.array([["milk", "käse", "2223\0junk", ""]], dtype=np.object_)
        same = client.infer("echo", as_inputs({"text": text})).as_numpy("same")
    assert same.tolist() == [[b"milk", "käse".encode(), b"2223", b""]]
