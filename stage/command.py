"""A stage's command line: bad input is one line on standard error and exit code 2, results end with a line of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and leave the process with its exit code.

    Every `ValueError` of ours and every missing file is the user's to mend, so it is told in one line, without a trace.
    """
    try:
        main()
    except (ValueError, FileNotFoundError, PermissionError) as error:
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)


def print_result(result: Mapping[str, object]) -> None:
    """The last line of a command: one JSON object."""
    print(json.dumps(result, ensure_ascii=False), flush=True)
