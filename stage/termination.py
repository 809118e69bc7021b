"""Requested ends: Ctrl-C and SIGTERM unwind the command, wherever in its code they arrive."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
AGAIN_S = 0.01


class Terminated(SystemExit):
    """SIGTERM came."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` in the block, as Ctrl-C raises `KeyboardInterrupt`, until the block unwinds.

    Python swallows exceptions in a weakref's callback or a finalizer, so an end that arrives in one (imports
    and thread pools run many) would be lost. It is raised again every `AGAIN_S` until it arrives outside of them.
    """
    swallowed_before = sys.unraisablehook

    def swallowed(seen: UnraisableHookArgs) -> None:
        if not isinstance(seen.exc_value, KeyboardInterrupt | Terminated):
            swallowed_before(seen)
            return
        lost = signal.SIGINT if isinstance(seen.exc_value, KeyboardInterrupt) else signal.SIGTERM
        signal.signal(signal.SIGALRM, signal.getsignal(lost))
        # A signal sent from here would be handled here, and its exception swallowed too.
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)

    handlers = {signal.SIGALRM: signal.getsignal(signal.SIGALRM), signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
    sys.unraisablehook = swallowed
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = swallowed_before
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(EXIT_TERMINATED)
