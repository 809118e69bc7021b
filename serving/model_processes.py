"""The watch on the stubs of a Triton (one process per instance of a Python model) for dead ones.

Triton 2.51 neither restarts a dead stub nor stops reporting ready. A stub that ends because its model is
unloaded or failed to load is collected by Triton; one that dies while its model is in use stays a zombie. The
supervisor uses this module, so it imports only the standard library.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from serving.readiness import children

STUB = "triton_python_backend_stub"
REFRESH_S = 1.0


class Death(NamedTuple):
    """A model's process that died; `model` is "" if unknown, `how` the cause: "SIGKILL", "exit code 3"."""

    model: str
    how: str


class _Stub:
    def __init__(self, model: str, pidfd: int) -> None:
        self.model = model
        self.pidfd = pidfd
        self.ended_at: float | None = None


class ModelProcesses:
    """Watch the stubs of one Triton.

    Args:
        triton: Process id of tritonserver.
        patience_s: Seconds for Triton to collect a stub that has ended. While models are loaded, it takes
            Triton one second to notice that a stub died at its start.

    """

    def __init__(self, triton: int, patience_s: float) -> None:
        self._triton = triton
        self._patience_s = patience_s
        self._stubs: dict[int, _Stub] = {}
        self._refreshed_at = float("-inf")

    def wakers(self) -> list[int]:
        """Return file descriptors that become readable when a stub ends."""
        return [stub.pidfd for stub in self._stubs.values() if stub.ended_at is None]

    def find_death(self, refresh_s: float = REFRESH_S) -> Death | None:
        """Return a stub that has died, else None; to be called repeatedly. It looks for new stubs every `refresh_s`."""
        now = time.monotonic()
        if now - self._refreshed_at >= refresh_s:
            self._refreshed_at = now
            for pid in set(children(self._triton)) - self._stubs.keys():
                self._watch(pid)
        for pid, stub in list(self._stubs.items()):
            state, status = _state(pid)
            if state == "Z":
                stub.ended_at = stub.ended_at or now
                if now - stub.ended_at >= self._patience_s:
                    return Death(stub.model, _in_words(status))
            elif not state:
                os.close(self._stubs.pop(pid).pidfd)
        return None

    def close(self) -> None:
        """Close the file descriptors."""
        while self._stubs:
            os.close(self._stubs.popitem()[1].pidfd)

    def _watch(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            # A zombie has no command line any more, and its name is truncated to 15 letters.
            if STUB.startswith(Path(f"/proc/{pid}/comm").read_text().strip()):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                model = os.fsdecode(command[1]).split("/")[-3:-2] if len(command) > 1 else []
                self._stubs[pid] = _Stub(model[0] if model else "", os.pidfd_open(pid))


def _state(pid: int) -> tuple[str, int]:
    """Return the letter of a process's state ("" if it is gone) and its raw exit status."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[-1])


def _in_words(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    return next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
