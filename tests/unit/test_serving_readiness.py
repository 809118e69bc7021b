"""Ready is this server: the process that listens, and what it says."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import supervisor
from serving.model_processes import ModelProcesses
from serving.readiness import ask, is_ready, listening_ports
from serving.triton_log import taken_ports


class AlwaysReady(http.server.BaseHTTPRequestHandler):
    """Answers whatever it is asked with 200, as another Triton on the same port does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), AlwaysReady) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_what_another_process_answers_makes_nothing_ready(port: int, sleeper: "subprocess.Popen[bytes]") -> None:
    assert ask("127.0.0.1", port, "GET /v2/health/ready")[0] == 200
    assert is_ready(os.getpid(), "127.0.0.1", [port])
    assert not is_ready(sleeper.pid, "127.0.0.1", [port])
    assert not is_ready(os.getpid(), "127.0.0.1", [port, 1])


def test_the_ports_of_a_process_below_count_and_those_of_one_that_is_gone_do_not() -> None:
    code = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert listening_ports(process.pid) == {port}
        assert port in listening_ports(os.getpid())
        process.kill()
    assert listening_ports(process.pid) == set()


def test_what_speaks_no_http_is_not_ready() -> None:
    with pytest.raises(ValueError, match="which is not HTTP"), ssh_like() as port:
        ask("127.0.0.1", port, "GET /")


class ssh_like:  # noqa: N801
    """A listener that greets and hangs up."""

    def __enter__(self) -> int:
        import socket

        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._greet)
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def _greet(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


def test_a_process_that_is_not_a_stub_is_not_watched(sleeper: "subprocess.Popen[bytes]") -> None:
    processes = ModelProcesses(os.getpid(), patience_s=0)
    sleeper.kill()
    assert processes.find_death() is None
    assert processes.wakers() == []


def test_the_private_directory_of_an_odd_tmpdir_is_made_in_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a b"))
    assert supervisor.plain_folder() == "/tmp"
    monkeypatch.setattr("tempfile.tempdir", "/plain/folder-1")
    assert supervisor.plain_folder() is None


def test_the_log_names_the_ports_that_someone_else_has() -> None:
    grpc = "failed to start GRPC service: Unavailable - Socket '127.0.0.1:8001' already in use "
    assert taken_ports(grpc) == [8001]
    assert taken_ports("failed to start HTTP service: Socket '[::1]:8000' already in use") == [8000]
    assert taken_ports("") == []
