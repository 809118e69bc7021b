"""The command line of a stage: bad input gives one line on stderr and exit code 2, results end with a line of JSON."""

from __future__ import annotations

import argparse
import atexit
import io
import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from stage.errors import NaiadError
from stage.termination import EXIT_INTERRUPTED, terminable

EXIT_BAD_INPUT = 2
EXIT_WITHOUT_READER = 141


class Parser(argparse.ArgumentParser):
    """A parser that refuses an argument in one line, and takes no abbreviated flags; its subparsers do the same."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **named})

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"naiad: {' '.join(message.split())}: see `{self.prog} --help`\n")


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a command's `main` and end the process with its exit code.

    An error that the user can fix is reported in one line; any other error is our fault and keeps its traceback. Ctrl-C
    and SIGTERM unwind too, so that no half-written file and no process is left behind. If the reader of standard output
    ends (`| head`), the command ends quietly. Characters that the terminal cannot show are replaced.
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
    """Replace characters that the terminal's encoding lacks; standard error escapes them by itself."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the process was started with a closed stdout
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
    """Discard buffered output, which Python would otherwise try to write at exit, with an error."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.stdout.fileno())
    return EXIT_WITHOUT_READER


def leave(main: Callable[[], None]) -> NoReturn:
    """Run a command as the whole process, and end the process as soon as the command is done.

    Python's own teardown races with the threads of pyarrow, and sometimes aborts ("terminate called without an
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
    """Print the last line of a command: one JSON object, escaped if the stream's encoding lacks a character."""
    line = json.dumps(result, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeError:
        line = json.dumps(result)
    print(line, flush=True)
