"""A model's process that dies is noticed: nobody says ready, and Triton is restarted or the server ends with a line."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

from serving.readiness import children
from serving.server import TritonServer, run_triton
from tests.integration.doubling import CHECKOUT, command, write_double
from tests.integration.served import as_inputs

DIES = """
import os, threading
class TritonPythonModel:
    def initialize(self, args):
        {when}
    def execute(self, requests):
        return []
"""


def write_dying(root: Path, name: str, when: str) -> None:
    """A Python model like `double` whose process ends by itself."""
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(DIES.format(when=when))
    config = (root / "double" / "config.pbtxt").read_text()
    (root / name / "config.pbtxt").write_text(config.replace("onnxruntime", "python"))


def kill_process_of(model: str, pid: int) -> None:
    stubs = {child: Path(f"/proc/{child}/cmdline").read_text() for child in children(pid)}
    os.kill(next(child for child, line in stubs.items() if f"/{model}/1/" in line), signal.SIGKILL)


def answers(server: TritonServer, model: str) -> bool:
    with grpc.InferenceServerClient(server.grpc_target) as client:
        try:
            tensor = client.infer(model, as_inputs({"x": np.ones((1, 1), np.float32)})).as_numpy("y")
        except InferenceServerException:
            return False
    return bool(tensor == 2)


@pytest.fixture
def two(tmp_path: Path, write_onnx: Callable[..., None]) -> Path:
    for name in ("double", "other"):
        write_double(write_onnx, tmp_path / "models", name)
    return tmp_path / "models"


@pytest.mark.parametrize("control", ["none", "explicit"])
def test_after_kill_9_the_server_is_not_ready_until_every_loaded_model_answers_again(two: Path, control: str) -> None:
    with run_triton(two, model_control=control, load_models=["double"][control == "none" :], grace_s=0) as server:
        with grpc.InferenceServerClient(server.grpc_target) as client:
            if control == "explicit":
                client.load_model("other")
        first = server.pid
        kill_process_of("double", first)
        died_at = time.monotonic()
        while server.is_ready():
            assert time.monotonic() - died_at < 5
            time.sleep(0.01)
        while not server.is_ready():
            assert time.monotonic() - died_at < 20
            time.sleep(0.05)
        assert answers(server, "double")
        assert answers(server, "other")
        assert server.pid != first
        assert "naiad: a process of model 'double' died (SIGKILL): Triton is restarted" in server.log()


def test_models_that_are_unloaded_loaded_again_or_die_while_loading_end_nothing(two: Path) -> None:
    write_dying(two, "stillborn", "os._exit(3)")
    with run_triton(two, model_control="explicit", load_models=["double", "other"], grace_s=0) as server:
        first = server.pid
        with grpc.InferenceServerClient(server.grpc_target) as client:
            client.unload_model("other")
            client.load_model("double")
            with pytest.raises(InferenceServerException, match="stillborn"):
                client.load_model("stillborn")
            time.sleep(3)
            assert server.pid == first
            client.load_model("other")
        assert answers(server, "double")
        assert answers(server, "other")


def test_a_model_that_dies_after_every_start_ends_the_server_with_a_line(good: Path, tmp_path: Path) -> None:
    repository = shutil.copytree(good, tmp_path / "models")
    write_dying(repository, "weak", "threading.Timer(1.5, os._exit, [7]).start()")
    done = subprocess.run(
        command("--repository", repository),
        cwd=CHECKOUT, text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("naiad: ")]
    assert lines[0] == "naiad: a process of model 'weak' died (exit code 7): Triton is restarted"
    assert lines[1].startswith("naiad: ready again after ")
    assert lines[-1].startswith(
        "naiad: a process of model 'weak' died (exit code 7), for the 4th time within 5 minutes: "
    )
    assert sum("Triton is restarted" in line for line in lines) == 3
