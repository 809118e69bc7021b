"""Everything that is decided before a server is started."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from serving import launch
from serving.errors import (
    BackendsError,
    LaunchError,
    LibpythonMissingError,
    LogFileError,
    PortTakenError,
    PythonVersionError,
    RepositoryError,
    ServingError,
)
from serving.ports import choose_ports
from serving.repository import check_repository
from serving.server import run_triton
from tests.in_process import run_in_process

CHECKOUT = Path(__file__).parents[2]


class Python399(NamedTuple):
    """A Python that the wheel does not know."""

    major: int
    minor: int


def test_free_ports_are_three_different_ones_and_given_ones_are_kept() -> None:
    ports = choose_ports("127.0.0.1", None, None, None)
    assert len({ports.http, ports.grpc, ports.metrics}) == 3
    kept = choose_ports("127.0.0.1", ports.http, None, ports.metrics)
    assert (kept.http, kept.metrics) == (ports.http, ports.metrics)
    assert kept.grpc not in (ports.http, ports.metrics)


def test_a_taken_port_names_its_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {taken} of 127\.0\.0\.1 .*--metrics-port"):
            choose_ports("127.0.0.1", None, None, taken)


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(PortTakenError, match=f"port {port} .*from 1 to 65535"):
        choose_ports("127.0.0.1", port, None, None)


def test_the_same_port_twice_is_refused() -> None:
    free = choose_ports("127.0.0.1", None, None, None).http
    with pytest.raises(PortTakenError, match=f"port {free} .*--grpc-port"):
        choose_ports("127.0.0.1", free, free, None)


def test_a_directory_that_is_not_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="is not a directory"):
        check_repository(tmp_path / "absent")
    with pytest.raises(RepositoryError, match="has no model"):
        check_repository(tmp_path)
    assert check_repository(tmp_path, empty_is_fine=True) == tmp_path.resolve()
    (tmp_path / "ranker").mkdir()
    (tmp_path / "ranker" / "config.pbtxt").touch()
    assert check_repository(tmp_path) == tmp_path.resolve()
    with pytest.raises(RepositoryError, match=f"one model, not a repository: give {tmp_path.resolve()}"):
        check_repository(tmp_path / "ranker")


def test_a_log_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(LogFileError, match="--log-file"),
        run_triton(tmp_path, model_control="explicit", log_file=tmp_path / "absent" / "triton.log"),
    ):
        pass


@pytest.mark.parametrize("name", ["models/ranker/config.pbtxt", "models/triton.log", "models", "link/triton.log"])
def test_a_log_file_inside_the_repository_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "models" / "ranker").mkdir(parents=True)
    (tmp_path / "models" / "ranker" / "config.pbtxt").touch()
    (tmp_path / "link").symlink_to(tmp_path / "models")
    with (
        pytest.raises(LogFileError, match=r"inside the repository .*: pass a --log-file outside of it"),
        run_triton(tmp_path / "models", log_file=tmp_path / name),
    ):
        pass
    assert (tmp_path / "models" / "ranker" / "config.pbtxt").read_bytes() == b""
    assert not (tmp_path / "models" / "triton.log").exists()


def test_libpython_is_the_one_of_this_python() -> None:
    assert launch.find_libpython().name.startswith(f"libpython3.{sys.version_info.minor}.so")


def test_a_python_without_libpython_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(launch, "_loader_cache", lambda: "")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    with pytest.raises(LibpythonMissingError, match="apt install libpython3"):
        launch.find_libpython()


def test_a_python_without_stub_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.sys, "version_info", Python399(3, 99))
    with pytest.raises(PythonVersionError, match=r"no stub for Python 3\.99 \(it has .*3\.11"):
        launch.find_triton()


def test_a_tritonserver_on_path_is_taken_before_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "tritonserver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert launch.find_triton().embedded
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = launch.find_triton()
    assert found.command == [str(program)]
    assert not found.embedded


def test_the_embedded_server_gets_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    found = launch.find_triton()
    assert "PYTHONHOME" not in found.env
    assert "PYTHONPATH" not in found.env
    assert Path(found.env["PATH"].split(":")[0], "python3").resolve() == Path(sys.executable).resolve()
    assert found.env["ORT_DISABLE_TELEMETRY"] == "1"
    assert "backends/python/triton_python_backend_stub" in found.copies
    assert set(found.links) >= {"backends/onnxruntime", "backends/pytorch"}


def test_without_any_triton_the_remedy_is_named(tmp_path: Path) -> None:
    code = "from serving.launch import find_triton; find_triton()"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=CHECKOUT, env={"PATH": str(tmp_path)}, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert "TritonNotFoundError" in done.stderr
    assert "pip install nvidia-pytriton" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--repository", "absent"), "naiad: absent is not a directory: give"),
        (("--repository", "serving"), "naiad: serving has no model"),
        (
            ("--repository", "tests", "--http-port", "99999"),
            "naiad: argument --http-port: port '99999' is invalid: give",
        ),
        (("--repository", "tests", "--grpc-port", "-1"), "naiad: argument --grpc-port: port '-1' is invalid: give 1"),
        (
            ("--repository", "tests", "--timeout", "nan"),
            "naiad: argument --timeout: seen 'nan', expected seconds",
        ),
        (("--repository", "tests", "--timeout", "0"), "naiad: argument --timeout: seen '0', expected seconds above 0"),
        (
            ("--repository", "tests", "--load-model", "x"),
            "naiad: --load-model is for explicit model control",
        ),
        (
            ("--repository", "tests", "--model-control", "explicit", "--address", "192.0.2.1"),
            "naiad: address '192.0.2.1' does not belong to this machine",
        ),
        (
            ("--repository", "tests", "--model-control", "explicit", "--address", "no such.name"),
            "naiad: address 'no such.name' does not belong to this machine",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CHECKOUT)
    done = run_in_process("serving", "up", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["é 寿司", "[/red]", "two\nlines", "\udcff"])
def test_a_path_that_the_terminal_cannot_show_is_still_one_line(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "FORCE_COLOR": "1"}
    asked = [sys.executable, "-m", "serving", "up", "--repository", str(tmp_path / name)]
    done = subprocess.run(asked, cwd=CHECKOUT, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    lines = [line for line in done.stderr.decode("ascii").splitlines() if "naiad: " in line]
    assert len(lines) == 1
    assert "is not a directory: give" in lines[0]


def test_a_tritonserver_on_path_takes_no_backends_and_one_that_does_not_start_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "tritonserver"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BackendsError, match=r"has backends of its own: leave out --backends, or add `-- --backend-dir"):
        launch.find_triton(tmp_path)
    with (
        pytest.raises(LaunchError, match=r"tritonserver cannot be started \(No such file .*: repair it"),
        run_triton(tmp_path, model_control="explicit"),
    ):
        pass


def test_help_answers_at_once() -> None:
    began = time.monotonic()
    asked = [sys.executable, "-X", "importtime", "-m", "serving", "up", "--help"]
    done = subprocess.run(asked, cwd=CHECKOUT, text=True, capture_output=True, check=False)
    assert done.returncode == 0
    for flag in ("--repository", "--grpc-port", "--model-control", "--log-file", "--timeout"):
        assert flag in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
    assert imported.isdisjoint({"rich", "numpy", "serving.server"})
    assert time.monotonic() - began < 5


def test_every_error_is_a_leaf_of_one_tree_that_the_docstring_draws() -> None:
    from serving import errors

    assert errors.__doc__ is not None
    for name, each in vars(errors).items():
        if isinstance(each, type) and issubclass(each, ServingError):
            assert f" {name} " in f" {errors.__doc__} ".replace("\n", " ")
