"""A stage's command line: bad input is one line on standard error and exit code 2, results end with a line of JSON."""

from __future__ import annotations

import argparse
import atexit
import io
import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from stage.errors import NaiadError
from stage.termination import EXIT_INTERRUPTED, terminable

EXIT_BAD_INPUT = 2
EXIT_WITHOUT_READER = 141


class Parser(argparse.ArgumentParser):
    """A parser, and through it its subparsers, that refuses an argument in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"naiad: {' '.join(message.split())}: see `{self.prog} --help`\n")


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and leave the process with its exit code.

    An error that the user can fix is reported in one line; anything else is a fault of ours and keeps its trace. An end
    that was asked for (Ctrl-C, SIGTERM) unwinds too, so that nothing half-written or running is left behind. A reader
    of standard output that went away (`| head`) ends it quietly. What the terminal cannot show is replaced.
    """
    replace_what_cannot_be_shown()
    try:
        with terminable():
            main()
            sys.stdout.flush()
    except NaiadError as error:
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        sys.exit(_code_without_a_reader())
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Rich ends the process so
            sys.exit(_code_without_a_reader())
        raise
    sys.exit(0)


def replace_what_cannot_be_shown() -> None:
    """Let no character end a command, whatever the terminal's encoding; standard error escapes them by itself."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the process was started with it closed
            setattr(sys, name, io.StringIO())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _reader_is_gone() -> bool:
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _code_without_a_reader() -> int:
    """Give what is still buffered to nobody: Python would try to write it at its end, and complain."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.stdout.fileno())
    return EXIT_WITHOUT_READER


def leave(main: Callable[[], None]) -> NoReturn:
    """Run a command as the process that it is, and end the process as soon as everything of ours is done.

    Python's own teardown would race the threads of pyarrow, and now and then abort ("terminate called without an
    active exception") a command that had already succeeded or been refused.
    """
    code: object = 0
    replace_what_cannot_be_shown()
    try:
        main()
    except SystemExit as end:
        code = end.code
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _code_without_a_reader()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def print_result(result: Mapping[str, object]) -> None:
    """Print the last line of a command: one JSON object, escaped where the stream has not all of its characters."""
    line = json.dumps(result, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeError:
        line = json.dumps(result)
    print(line, flush=True)
