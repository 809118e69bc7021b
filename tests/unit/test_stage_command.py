"""How a command ends: with 0, with one line and 2, or unwound by Ctrl-C and SIGTERM."""

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from stage.command import Parser, print_result, run_command
from stage.errors import BadInput
from stage.output import whole_folder

ROOT = Path(__file__).parents[2]


def ended(main: Callable[[], None]) -> object:
    with pytest.raises(SystemExit) as raised:
        run_command(main)
    return raised.value.code


def test_a_command_that_returns_ends_with_0() -> None:
    assert ended(lambda: None) == 0


def test_bad_input_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise BadInput("column 'x'\n  is  missing:\tadd it")

    assert ended(main) == 2
    assert capsys.readouterr().err == "naiad: column 'x' is missing: add it\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "naiad: the following arguments are required: COMMAND: see `naiad --help`"),
        (["fit"], "naiad: the following arguments are required: --data: see `naiad fit --help`"),
        (["fit", "--data", "d", "--step", "1"], "naiad: unrecognized arguments: --step 1: see `naiad"),
        (["fit", "--data", "d", "--steps", "ten"], "naiad: argument --steps: invalid int value: 'ten': see `naiad fit"),
        (["go"], "naiad: argument COMMAND: invalid choice: 'go' (choose from 'fit'): see `naiad --help`"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = Parser(prog="naiad")
    fit = parser.add_subparsers(required=True, metavar="COMMAND").add_parser("fit")
    fit.add_argument("--data", required=True)
    fit.add_argument("--steps", type=int)
    with pytest.raises(SystemExit) as raised:
        parser.parse_args(arguments)
    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


@pytest.mark.parametrize("package", ["preprocessing", "training", "export", "serving", "client"])
def test_every_packages_command_refuses_a_wrong_argument_in_one_line(package: str) -> None:
    run = [sys.executable, "-m", package, "nonsense"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("naiad: argument COMMAND: invalid choice: 'nonsense'")
    assert done.stderr.count("\n") == 1


def test_a_fault_of_ours_keeps_its_trace() -> None:
    def main() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        run_command(main)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_unwinds_the_command(number: signal.Signals, code: int) -> None:
    unwound = []

    def main() -> None:
        try:
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 5)
        finally:
            unwound.append(True)

    before = signal.getsignal(signal.SIGTERM)
    assert ended(main) == code
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_falls_into_a_callback_that_swallows_errors_unwinds_the_command(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    class Watched:
        pass

    survived = []

    def main() -> None:
        with whole_folder(tmp_path / "output"):
            watched = Watched()
            reference = weakref.ref(watched, lambda _: os.kill(os.getpid(), number))
            del watched
            assert reference() is None
            signal.sigtimedwait([], 5)
            survived.append(True)

    hook = sys.unraisablehook
    assert ended(main) == code
    assert survived == list(tmp_path.iterdir()) == []
    assert sys.unraisablehook is hook


def test_other_exceptions_in_a_callback_are_reported_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda seen: told.append(seen.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise KeyError("ours")

    assert ended(lambda: Broken() and None) == 0
    assert told == [KeyError]


def test_a_result_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_result({"item": "Ærø", "rows": 3})
    assert capsys.readouterr().out == '{"item": "Ærø", "rows": 3}\n'
