"""A repository is served from any path, and of two servers on the same ports only one is ready."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tritonclient.grpc as grpc

from serving.errors import ModelLoadError
from serving.ports import choose_ports
from serving.server import run_triton
from tests.integration.doubling import CHECKOUT, command, write_double

ODD = "a copy (1) of é; $HOME 'x'"


def test_a_repository_with_an_odd_path_is_served_and_followed(tmp_path: Path, write_onnx: Callable[..., None]) -> None:
    repository = tmp_path / ODD
    write_double(write_onnx, repository, "double")
    polled = ["--repository-poll-secs=1"]
    with (
        run_triton(repository, model_control="poll", grace_s=0, triton_args=polled) as server,
        grpc.InferenceServerClient(server.grpc_target) as client,
    ):
        assert client.is_model_ready("double")
        write_double(write_onnx, repository, "later")
        give_up_at = time.monotonic() + 20
        while not client.is_model_ready("later"):
            assert time.monotonic() < give_up_at
            time.sleep(0.1)


def test_a_broken_model_below_an_odd_path_is_named_by_the_path_that_was_given(good: Path, tmp_path: Path) -> None:
    repository = shutil.copytree(good, tmp_path / ODD)
    (repository / "double" / "1" / "model.onnx").unlink()
    with pytest.raises(ModelLoadError) as caught, run_triton(repository, grace_s=0):
        pass
    assert f"{repository}/double/1/model.onnx does not exist" in str(caught.value)


def test_a_server_starts_from_an_odd_checkout_and_with_an_odd_tmpdir(good: Path, tmp_path: Path) -> None:
    checkout = tmp_path / ODD
    for package in ("serving", "stage"):
        shutil.copytree(CHECKOUT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    asked = command("--repository", good)
    with subprocess.Popen(
        asked, cwd=checkout, env={**os.environ, "TMPDIR": str(checkout)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready after ")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_of_two_servers_started_at_once_on_the_same_ports_one_is_ready_and_the_other_names_the_port(good: Path) -> None:
    ports = choose_ports("127.0.0.1", None, None, None)
    flags = [f"--http-port={ports.http}", f"--grpc-port={ports.grpc}", f"--metrics-port={ports.metrics}"]
    both = [
        subprocess.Popen(
            command("--repository", good, *flags),
            cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        give_up_at = time.monotonic() + 60
        while all(process.poll() is None for process in both):
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        loser = next(process for process in both if process.poll() is not None)
        winner = next(process for process in both if process is not loser)
        said, error = loser.communicate(timeout=20)
        assert loser.returncode == 2
        assert "ready" not in said
        line = error.splitlines()[-1]
        assert line.startswith("naiad: port ")
        assert any(f"port {port} of 127.0.0.1" in line for port in (ports.http, ports.grpc, ports.metrics))
        assert winner.stdout is not None
        assert winner.stdout.readline().startswith("ready after ")
        winner.send_signal(signal.SIGINT)
        assert winner.wait(20) == 0
    finally:
        for process in both:
            process.kill()
            process.communicate()
