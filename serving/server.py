"""Start a Triton on a model repository, wait until it is ready, stop it."""

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NoReturn

from serving.errors import ModelLoadError, PortTakenError, ServerDiedError, ServingError, StartTimeoutError
from serving.launch import Launch, find_triton
from serving.log_file import LogFile, open_log
from serving.ports import Ports, choose_ports
from serving.repository import check_repository
from serving.triton_log import error_lines, failed_models, last_lines

ModelControl = Literal["none", "poll", "explicit"]
POLL_S = 0.02
PORT_ATTEMPTS = 3


@contextlib.contextmanager
def run_triton(
    repository: Path | str,
    *,
    http_port: int | None = None,
    grpc_port: int | None = None,
    metrics_port: int | None = None,
    address: str = "127.0.0.1",
    model_control: ModelControl = "none",
    load_models: Sequence[str] = (),
    auto_complete_config: bool = False,
    log_file: Path | None = None,
    timeout_s: float = 120.0,
    grace_s: float = 10.0,
    triton_args: Sequence[str] = (),
) -> Iterator["TritonServer"]:
    """Serve `repository` while the block runs; a port that is None is a free one.

    Every model has to load (or those of `load_models`, under model control "explicit"). The server, its stubs and
    its private directory are gone after the block, and also when this process is killed.

    Args:
        repository: Directory with one directory per model.
        http_port: Port of HTTP.
        grpc_port: Port of gRPC.
        metrics_port: Port of the Prometheus metrics.
        address: Interface to listen on.
        model_control: Triton's `--model-control-mode`.
        load_models: Models to load at the start, under model control "explicit".
        auto_complete_config: Let backends fill in what a config.pbtxt leaves out; each Python model then starts twice.
        log_file: Where Triton's log is appended; kept in an unnamed file otherwise.
        timeout_s: Seconds until it must be ready.
        grace_s: Seconds for requests in flight and models' `finalize` when it is stopped (Triton takes 2 to 3
            of them in any case); 0 ends it at once.
        triton_args: More arguments for tritonserver.

    Raises:
        ServingError: One of its leaves, before the block is entered.

    """
    directory = check_repository(Path(repository), empty_is_fine=model_control != "none" or auto_complete_config)
    launch = find_triton()
    arguments = [
        f"--model-repository={directory}",
        f"--model-control-mode={model_control}",
        *(f"--load-model={name}" for name in load_models),
        *([] if auto_complete_config else ["--disable-auto-complete-config"]),
        "--exit-on-error=true",
        "--strict-readiness=true",
        f"--exit-timeout-secs={max(1, round(grace_s))}",
        *triton_args,
    ]
    with open_log(log_file) as log:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            ports = choose_ports(address, http_port, grpc_port, metrics_port)
            server = TritonServer(launch, arguments, address, ports, log, grace_s)
            try:
                server.wait_until_ready(timeout_s)
            except PortTakenError:
                # A free port was taken by someone else between our choice and Triton's start.
                server.stop()
                if attempt == PORT_ATTEMPTS or None not in (http_port, grpc_port, metrics_port):
                    raise
            except BaseException:
                server.stop()
                raise
            else:
                break
        try:
            yield server
        finally:
            server.stop()


class TritonServer:
    """A started Triton; made by `run_triton`.

    Attributes:
        pid: Process id of tritonserver.
        ports: Its ports.
        grpc_target: `host:port` as tritonclient.grpc wants it.
        http_target: `host:port` as tritonclient.http wants it.
        grpc_url: `grpc://host:port`.
        http_url: `http://host:port`.
        metrics_url: `http://host:port/metrics`.
        embedded: Whether it is the Triton of the nvidia-pytriton wheel.

    """

    def __init__(
        self, launch: Launch, arguments: Sequence[str], address: str, ports: Ports, log: LogFile, grace_s: float
    ) -> None:
        self.ports = ports
        self.embedded = launch.embedded
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        bracketed = f"[{self._host}]" if ":" in self._host else self._host
        self.grpc_target = f"{bracketed}:{ports.grpc}"
        self.http_target = f"{bracketed}:{ports.http}"
        self.grpc_url = f"grpc://{self.grpc_target}"
        self.http_url = f"http://{self.http_target}"
        self.metrics_url = f"http://{bracketed}:{ports.metrics}/metrics"
        self._log = log
        self._grace_s = grace_s
        shm_prefix = f"naiad-{secrets.token_hex(6)}-"
        order = {
            "parent": os.getpid(),
            "command": [
                *launch.command,
                *arguments,
                f"--http-address={address}",
                f"--grpc-address={address}",
                f"--metrics-address={address}",
                f"--http-port={ports.http}",
                f"--grpc-port={ports.grpc}",
                f"--metrics-port={ports.metrics}",
                f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
            ],
            "env": launch.env,
            "copies": launch.copies,
            "links": launch.links,
            "shm_prefix": shm_prefix,
            "grace_s": grace_s,
        }
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.file,
            start_new_session=True,
        )
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        self._supervisor.stdin.write(json.dumps(order).encode() + b"\n")
        self._supervisor.stdin.flush()
        answer = self._supervisor.stdout.readline()
        if not answer:
            self.stop()
            raise ServerDiedError("Triton could not be started: see its log lines", last_lines(log.read()))
        self.pid: int = json.loads(answer)["pid"]

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return when every model is loaded and all three ports answer.

        Raises:
            ModelLoadError: Triton gave up because of a model.
            PortTakenError: It could not listen.
            ServerDiedError: It ended for another reason.
            StartTimeoutError: It is not ready after `timeout_s` seconds.

        """
        give_up_at = time.monotonic() + timeout_s
        while not (self.is_ready() and self._answers(self.ports.metrics)):
            if self._supervisor.poll() is not None:
                raise self._why_not_started()
            if time.monotonic() > give_up_at:
                lines = error_lines(self.log()) or last_lines(self.log())
                raise StartTimeoutError(
                    f"Triton was not ready after {timeout_s:g} s: raise --timeout or look into its log", lines
                )
            time.sleep(POLL_S)

    def is_ready(self) -> bool:
        """Ask the server whether it and all its models are ready."""
        connection = http.client.HTTPConnection(self._host, self.ports.http, timeout=2)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _answers(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._host, port), timeout=1):
            return True
        return False

    def _why_not_started(self) -> ServingError:
        log = self.log()
        reasons = failed_models(log)
        if reasons:
            model, reason = next(iter(reasons.items()))
            others = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            return ModelLoadError(
                f"model '{model}'{others} did not load: {reason}: fix it or remove it from the repository",
                reasons,
                error_lines(log),
            )
        if "already in use" in log:
            return PortTakenError(f"a port of {self.ports} was taken while Triton started: start again")
        return self._death()

    def _death(self) -> ServerDiedError:
        code = self._supervisor.returncode
        how = f"was killed by {signal.Signals(code - 128).name}" if code > 128 else f"ended by itself with code {code}"
        log = self.log()
        return ServerDiedError(f"Triton {how}: read its last log lines", error_lines(log) or last_lines(log))

    def wait(self) -> NoReturn:
        """Block until the server ends by itself.

        Raises:
            ServerDiedError: It has.

        """
        self._supervisor.wait()
        raise self._death()

    def log(self) -> str:
        """Return what Triton has logged so far."""
        return self._log.read()

    def stop(self) -> None:
        """Let requests in flight finish, end the server and its stubs; nothing happens if it has ended."""
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._supervisor.wait(self._grace_s + 10)
        except subprocess.TimeoutExpired:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()
