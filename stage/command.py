"""A stage's command line: bad input is one line on standard error and exit code 2, results end with a line of JSON."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from stage.errors import BadInput

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and leave the process with its exit code.

    What the user can mend is told in one line; anything else is a fault of ours and keeps its trace. An end that was
    asked for (Ctrl-C, SIGTERM) unwinds too, so that nothing half-written or running is left behind.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
    except BadInput as error:
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(0)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(EXIT_TERMINATED)


def print_result(result: Mapping[str, object]) -> None:
    """The last line of a command: one JSON object."""
    print(json.dumps(result, ensure_ascii=False), flush=True)
