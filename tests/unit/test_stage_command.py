"""How a command ends: with 0, with one line and 2, or unwound by Ctrl-C and SIGTERM."""

import os
import signal
from collections.abc import Callable

import pytest

from stage.command import print_result, run_command
from stage.errors import BadInput


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


def test_a_result_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_result({"item": "Ærø", "rows": 3})
    assert capsys.readouterr().out == '{"item": "Ærø", "rows": 3}\n'
