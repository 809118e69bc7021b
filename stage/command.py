"""A stage's command line: bad input is one line on standard error and exit code 2, results end with a line of JSON."""

from __future__ import annotations

import argparse
import atexit
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from stage.errors import BadInput
from stage.termination import EXIT_INTERRUPTED, terminable

EXIT_BAD_INPUT = 2


class Parser(argparse.ArgumentParser):
    """A parser, and through it its subparsers, that refuses an argument in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"naiad: {' '.join(message.split())}: see `{self.prog} --help`\n")


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and leave the process with its exit code.

    What the user can mend is told in one line; anything else is a fault of ours and keeps its trace. An end that was
    asked for (Ctrl-C, SIGTERM) unwinds too, so that nothing half-written or running is left behind.
    """
    try:
        with terminable():
            main()
    except BadInput as error:
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)


def leave(main: Callable[[], None]) -> NoReturn:
    """Run a command as the process that it is, and end the process as soon as everything of ours is done.

    Python's own teardown would race the threads of pyarrow, and now and then abort ("terminate called without an
    active exception") a command that had already succeeded or been refused.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def print_result(result: Mapping[str, object]) -> None:
    """The last line of a command: one JSON object."""
    print(json.dumps(result, ensure_ascii=False), flush=True)
