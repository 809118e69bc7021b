"""A small process between us and Triton, so that nothing is left behind however we end.

It makes the server's private directory, starts Triton, and when Triton ends, or the process that asked for it ends
(even by kill -9), it ends Triton and every stub, and removes the directory and the shared memory. It is run as a
script and uses the standard library alone: its start costs some 15 ms.

Protocol: one line of JSON on stdin (see `serving.server`), one line of JSON back with Triton's process id. Closing
stdin means: stop.
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

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.1


def main() -> int:
    """Run one Triton until it ends or is to end; return its exit code."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    stop_asked = []
    signal.signal(signal.SIGTERM, lambda *_: stop_asked.append(True))
    order = json.loads(sys.stdin.buffer.readline())
    libc = ctypes.CDLL(None, use_errno=True)
    # Stubs whose Triton died become our children, so that we can find and end them.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    scratch = Path(tempfile.mkdtemp(prefix="naiad-triton-"))
    triton = None
    try:
        lay_out(scratch, order)

        def die_with_supervisor() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        triton = subprocess.Popen(
            [argument.replace("{scratch}", str(scratch)) for argument in order["command"]],
            env={name: value.replace("{scratch}", str(scratch)) for name, value in order["env"].items()},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            preexec_fn=die_with_supervisor,
        )
        sys.stdout.write(json.dumps({"pid": triton.pid}) + "\n")
        sys.stdout.flush()
        while triton.poll() is None and not stop_asked and parent_wants_us(order["parent"]):
            pass
        return end(triton, order["grace_s"])
    finally:
        if triton is not None and triton.poll() is None:
            triton.kill()
        kill_descendants()
        shutil.rmtree(scratch, ignore_errors=True)
        for region in Path("/dev/shm").glob(order["shm_prefix"] + "*"):
            region.unlink(missing_ok=True)


def lay_out(scratch: Path, order: dict[str, Any]) -> None:
    """Copy and link the files that the launch needs into the scratch directory."""
    for place, source in order["copies"].items():
        (scratch / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, scratch / place)
    for place, source in order["links"].items():
        (scratch / place).parent.mkdir(parents=True, exist_ok=True)
        (scratch / place).symlink_to(source)


def parent_wants_us(parent: int) -> bool:
    """Wait a moment; tell whether the parent lives and holds its end of the pipe."""
    readable, _, _ = select.select([sys.stdin], [], [], POLL_S)
    if readable and not os.read(sys.stdin.fileno(), 1):
        return False
    return os.getppid() == parent


def end(triton: "subprocess.Popen[bytes]", grace_s: float) -> int:
    """Let Triton finish what is in flight, at most `grace_s` seconds; return its exit code (128 + signal)."""
    if triton.poll() is None and grace_s > 0:
        triton.terminate()
    try:
        code = triton.wait(grace_s)
    except subprocess.TimeoutExpired:
        triton.kill()
        code = triton.wait()
    return code if code >= 0 else 128 - code


def kill_descendants() -> None:
    """End every process below this one and collect it."""
    for _ in range(100):
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.01)
            continue
        return


if __name__ == "__main__":
    sys.exit(main())
