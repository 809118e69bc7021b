"""Our commands run in this process, like `python -m PACKAGE` but without its imports."""

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

MODULES = {"client": "client.cli", "serving": "serving.cli"}


def run_in_process(*command: object, encoding: str = "utf-8") -> "subprocess.CompletedProcess[str]":
    """Run `command`, a package and its words, through the package's `main`; its exit code and what it printed.

    `encoding` is the terminal's. What a process would take with it at its end is put back: environment, arguments,
    folder, signals and warnings.
    """
    package, *words = map(str, command)
    module = package if "." in package else MODULES.get(package, f"{package}.__main__")
    main = importlib.import_module(module).main
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, errors) for errors in ("strict", "backslashreplace"))
    with (
        mock.patch.object(sys, "argv", [package, *words]),
        mock.patch.dict(os.environ),
        contextlib.chdir(Path.cwd()),
        warnings.catch_warnings(),
        _signals(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main()
        except SystemExit as end:
            code = end.code
    printed = [_text(stream) for stream in (out, err)]
    return subprocess.CompletedProcess([package, *words], code or 0, *printed)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
