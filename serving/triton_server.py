"""The handle of a started Triton."""

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from serving import readiness
from serving.errors import (
    LaunchError,
    ModelLoadError,
    PortTakenError,
    ServerDiedError,
    ServingError,
    StartTimeoutError,
)
from serving.launch import REPOSITORY_LINK, Launch
from serving.log_file import LogFile
from serving.ports import Ports
from serving.triton_log import error_lines, failed_models, last_lines, taken_ports

POLL_S = 0.02
SUPERVISE = "import sys; sys.path.append(sys.argv[1]); from serving.supervisor import main; sys.exit(main())"


class TritonServer:
    """A started Triton; made by `serving.server.run_triton`.

    Attributes:
        ports: Its ports.
        grpc_target: `host:port` for tritonclient.grpc.
        http_target: `host:port` for tritonclient.http.
        grpc_url: `grpc://host:port`.
        http_url: `http://host:port`.
        metrics_url: `http://host:port/metrics`.
        embedded: Whether it is the Triton of the nvidia-pytriton wheel.
        native: The backends of the embedded server that are NVIDIA's own.

    """

    def __init__(
        self,
        launch: Launch,
        arguments: Sequence[str],
        address: str,
        ports: Ports,
        log: LogFile,
        *,
        model_control: str,
        timeout_s: float,
        grace_s: float,
    ) -> None:
        self.ports = ports
        self.embedded = launch.embedded
        self.native = launch.native
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        bracketed = f"[{self._host}]" if ":" in self._host else self._host
        self.grpc_target = f"{bracketed}:{ports.grpc}"
        self.http_target = f"{bracketed}:{ports.http}"
        self.grpc_url = f"grpc://{self.grpc_target}"
        self.http_url = f"http://{self.http_target}"
        self.metrics_url = f"http://{bracketed}:{ports.metrics}/metrics"
        self._log = log
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._repository = launch.links.get(REPOSITORY_LINK)
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
            "host": self._host,
            "ports": [ports.http, ports.grpc, ports.metrics],
            "model_control": model_control,
            "shm_prefix": shm_prefix,
            "timeout_s": timeout_s,
            "grace_s": grace_s,
        }
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", SUPERVISE, str(Path(__file__).parents[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.file,
            start_new_session=True,
        )
        assert self._supervisor.stdin is not None
        self._unread = b""
        self._news: deque[str] = deque()
        self._gave_up = ""
        self._pid = 0
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.stdin.write(json.dumps(order).encode() + b"\n")
            self._supervisor.stdin.flush()
        event = self._next_event() or {}
        if "pid" not in event:
            self.stop()
            if "error" in event:
                raise LaunchError(event["error"])
            raise ServerDiedError("Triton could not be started: read its log lines", last_lines(log.read()))
        self._scratch: str = event["scratch"]
        self._take(event)

    @property
    def pid(self) -> int:
        """Process id of tritonserver; it changes when a model's process has died."""
        stdout = self._supervisor.stdout
        while stdout is not None and not stdout.closed and select.select([stdout], [], [], 0)[0]:
            event = self._next_event()
            if event is None:
                break
            self._take(event)
        return self._pid

    def wait_until_ready(self) -> None:
        """Wait until every model is loaded and this server itself answers on all three ports.

        Raises:
            ModelLoadError: Triton gave up because of a model.
            PortTakenError: It could not listen.
            ServerDiedError: It ended for another reason.
            StartTimeoutError: The server is not ready in time.

        """
        give_up_at = time.monotonic() + self._timeout_s
        while not self.is_ready():
            if self._supervisor.poll() is not None:
                raise self._why_not_started()
            if time.monotonic() > give_up_at:
                lines = error_lines(self.log()) or last_lines(self.log())
                raise StartTimeoutError(
                    f"Triton was not ready after {self._timeout_s:g} s: raise --timeout or read its log lines", lines
                )
            time.sleep(POLL_S)

    def is_ready(self) -> bool:
        """Return whether the server and all its models are ready; other processes on its ports do not count."""
        return readiness.is_ready(self.pid, self._host, (self.ports.http, self.ports.grpc, self.ports.metrics))

    def wait(self, say: Callable[[str], None] = lambda _: None) -> NoReturn:
        """Block until the server ends by itself.

        Args:
            say: Called with descriptions of events: a model's process died, Triton is restarted.

        Raises:
            ServerDiedError: It has ended.

        """
        while True:
            while self._news:
                say(self._news.popleft())
            event = self._next_event()
            if event is None:
                break
            self._take(event)
        self._supervisor.wait()
        raise self._death()

    def log(self) -> str:
        """Return Triton's log so far, with the repository's own path."""
        text = self._log.read()
        return text.replace(f"{self._scratch}/{REPOSITORY_LINK}", self._repository) if self._repository else text

    def stop(self) -> None:
        """Let requests in flight finish, then end the server and its stubs; do nothing if it has ended."""
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._supervisor.wait(self._grace_s + 10)
        except subprocess.TimeoutExpired:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()

    def _next_event(self) -> dict[str, Any] | None:
        """Return the supervisor's next line; None if it has ended."""
        assert self._supervisor.stdout is not None
        while b"\n" not in self._unread:
            data = os.read(self._supervisor.stdout.fileno(), 65536)
            if not data:
                return None
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        return event

    def _take(self, event: dict[str, Any]) -> None:
        self._pid = event.get("pid", self._pid)
        self._gave_up = event.get("gave_up", self._gave_up)
        if "say" in event:
            self._news.append(event["say"])

    def _why_not_started(self) -> ServingError:
        log = self.log()
        reasons = failed_models(log)
        if reasons:
            model, reason = next(iter(reasons.items()))
            others = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            remedy = "fix it or remove it from the repository"
            return ModelLoadError(
                f"model '{model}'{others} did not load: {reason}: {remedy}", reasons, error_lines(log)
            )
        return self._death()

    def _port_taken(self, log: str) -> PortTakenError | None:
        taken = taken_ports(log)
        if not taken:
            return None
        flags = {self.ports.http: "--http-port", self.ports.grpc: "--grpc-port", self.ports.metrics: "--metrics-port"}
        return PortTakenError(
            f"port {taken[0]} of {self._host} was taken by another process while Triton started: "
            f"stop that one or pass another {flags.get(taken[0], 'port')}"
        )

    def _death(self) -> ServingError:
        if self._gave_up:
            return ServerDiedError(
                f"{self._gave_up}: after SIGKILL check for a lack of memory, else read the last log lines",
                error_lines(self.log()) or last_lines(self.log()),
            )
        log = self.log()
        code = self._supervisor.returncode
        how = f"was killed by {signal.Signals(code - 128).name}" if code > 128 else f"ended by itself with code {code}"
        return self._port_taken(log) or ServerDiedError(
            f"Triton {how}: read its last log lines", error_lines(log) or last_lines(log)
        )
