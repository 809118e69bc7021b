"""A small process between us and Triton, which cleans up however we end.

It creates the server's private directory and starts Triton. When Triton ends, or the process that requested it ends
(even by kill -9), it ends Triton and every stub, and removes the directory and the shared memory. When a model's
process dies, which Triton 2.51 neither repairs nor reports, it restarts Triton on the same ports. It uses only the
standard library: its start takes about 15 ms.

Protocol: it reads one line of JSON on stdin (see `serving.server`) and writes lines of JSON, the first with Triton's
pid or with `error`. Later lines have `say`, a description of what happened, and the new pid. Closing stdin means: stop.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from serving.model_processes import Death, ModelProcesses
from serving.readiness import ask, children, is_ready
from serving.repository import is_plain

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.1
# With models that are loaded at run time, Triton takes a second to collect a stub that died during its load.
PATIENCE_S = {"none": 0.3}
PATIENCE_WHILE_LOADING_S = 2.5
MOST_RESTARTS = 3
RESTARTS_WITHIN_S = 300.0
GAVE_UP = 70


def main() -> int:
    """Run one Triton until it ends or a stop is requested; return its exit code."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    stop_asked: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stop_asked.append(True))
    order = json.loads(sys.stdin.buffer.readline())
    # The parent need not read our lines.
    os.set_blocking(sys.stdout.fileno(), False)
    libc = ctypes.CDLL(None, use_errno=True)
    # Stubs of a dead Triton become our children, so that we can find and end them.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    scratch = None
    try:
        try:
            scratch = Path(tempfile.mkdtemp(prefix="naiad-triton-", dir=plain_folder()))
            lay_out(scratch, order)
        except OSError as error:
            remedy = "free space, or set TMPDIR to a folder that can be written"
            say(error=f"{error.filename or 'the private directory'}: {error.strerror}: {remedy}")
            return GAVE_UP
        return Supervisor(order, scratch, stop_asked).run()
    finally:
        clean_up(order["shm_prefix"])
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


class Supervisor:
    """Run Triton, and restart it when a model's process dies.

    Args:
        order: The request of `serving.server`.
        scratch: The server's private directory.
        stop_asked: Filled by the signal that requests the end.

    """

    def __init__(self, order: dict[str, Any], scratch: Path, stop_asked: list[bool]) -> None:
        self._order = order
        self._scratch = scratch
        self._stop_asked = stop_asked
        self._command = [argument.replace("{scratch}", str(scratch)) for argument in order["command"]]
        self._restarts: list[float] = []

    def run(self) -> int:
        """Return Triton's exit code (128 + signal), or GAVE_UP."""
        try:
            triton = self._start()
        except OSError as error:
            say(error=f"{self._command[0]} cannot be started ({error.strerror}): repair it, or take it off PATH")
            return GAVE_UP
        say(pid=triton.pid, scratch=str(self._scratch))
        while True:
            death = self._watch(triton)
            if death is None:
                return end(triton, self._order["grace_s"])
            now = time.monotonic()
            self._restarts = [at for at in self._restarts if now - at < RESTARTS_WITHIN_S]
            model = f"model '{death.model}'" if death.model else "a model"
            said = f"a process of {model} died ({death.how})"
            loaded = self._loaded_models() if self._order["model_control"] == "explicit" else None
            # At once, because a running Triton reports that the model is ready.
            triton.kill()
            triton.wait()
            clean_up(self._order["shm_prefix"])
            if len(self._restarts) == MOST_RESTARTS:
                say(gave_up=f"{said}, for the {MOST_RESTARTS + 1}th time within {RESTARTS_WITHIN_S / 60:.0f} minutes")
                return GAVE_UP
            self._restarts.append(now)
            if loaded is not None:
                self._command = [each for each in self._command if not each.startswith("--load-model=")]
                self._command += [f"--load-model={name}" for name in loaded]
            triton = self._start()
            say(pid=triton.pid, say=f"{said}: Triton is restarted")

    def _start(self) -> "subprocess.Popen[bytes]":
        libc = ctypes.CDLL(None, use_errno=True)

        def die_with_supervisor() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        return subprocess.Popen(
            self._command,
            env={name: value.replace("{scratch}", str(self._scratch)) for name, value in self._order["env"].items()},
            cwd=self._scratch,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            preexec_fn=die_with_supervisor,
        )

    def _watch(self, triton: "subprocess.Popen[bytes]") -> Death | None:
        """Wait until Triton has ended or a stop is requested (return None), or a model's process has died."""
        patience_s = PATIENCE_S.get(self._order["model_control"], PATIENCE_WHILE_LOADING_S)
        began = time.monotonic()
        ready = False
        with contextlib.closing(ModelProcesses(triton.pid, patience_s)) as processes:
            while triton.poll() is None and not self._stop_asked and self._parent_wants_us(processes.wakers()):
                death = processes.find_death(refresh_s=1.0 if ready else 0.0)
                if ready:
                    if death is not None and triton.poll() is None:
                        return death
                # Triton itself reports a stub that ends before: the model did not load.
                elif is_ready(triton.pid, self._order["host"], self._order["ports"]):
                    ready = True
                    if self._restarts:
                        say(pid=triton.pid, say=f"ready again after {time.monotonic() - began:.1f} s, pid {triton.pid}")
                elif self._restarts and time.monotonic() - began > self._order["timeout_s"]:
                    say(gave_up=f"Triton was not ready again after {self._order['timeout_s']:g} s")
                    triton.kill()
        return None

    def _parent_wants_us(self, wakers: list[int]) -> bool:
        """Wait a moment; return whether the parent is alive and has its end of the pipe open."""
        readable, _, _ = select.select([sys.stdin.fileno(), *wakers], [], [], POLL_S)
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 1):
            return False
        return os.getppid() == int(self._order["parent"])

    def _loaded_models(self) -> list[str] | None:
        """Return the models that are loaded now; None if Triton does not answer."""
        host, port = self._order["host"], self._order["ports"][0]
        with contextlib.suppress(OSError, ValueError):
            _, index = ask(host, port, "POST /v2/repository/index", b"{}", timeout_s=1)
            return sorted({str(model["name"]) for model in json.loads(index) if model.get("state") == "READY"})
        return None


def plain_folder() -> str | None:
    """Return the parent of the private directory: TMPDIR, or /tmp if model processes cannot start there."""
    return None if is_plain(tempfile.gettempdir()) else "/tmp"


def say(**event: object) -> None:
    """Write one line to the process that requested the server; append a description to the log too."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")
    for text in (event[key] for key in ("say", "gave_up") if key in event):
        print(f"naiad: {text}", file=sys.stderr, flush=True)


def lay_out(scratch: Path, order: dict[str, Any]) -> None:
    """Copy and link the files that the launch needs into the scratch directory."""
    for place, source in order["copies"].items():
        (scratch / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, scratch / place)
    for place, source in order["links"].items():
        (scratch / place).parent.mkdir(parents=True, exist_ok=True)
        (scratch / place).symlink_to(source)


def end(triton: "subprocess.Popen[bytes]", grace_s: float) -> int:
    """Let Triton finish requests in flight, at most `grace_s` seconds; return its exit code (128 + signal)."""
    if triton.poll() is None and grace_s > 0:
        triton.terminate()
    try:
        code = triton.wait(grace_s)
    except subprocess.TimeoutExpired:
        triton.kill()
        code = triton.wait()
    return code if code >= 0 else 128 - code


def clean_up(shm_prefix: str) -> None:
    """End every process below this one, and remove Triton's shared memory."""
    for _ in range(100):
        for child in children(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.01)
            continue
        break
    for region in Path("/dev/shm").glob(shm_prefix + "*"):
        region.unlink(missing_ok=True)
