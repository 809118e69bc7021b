"""All errors of ours have one root, which costs no import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from client.errors import NotTriton
from serving.errors import PortTakenError
from stage.command import run_command
from stage.errors import NaiadError

ROOT = Path(__file__).parents[2]
PACKAGES = ("stage", "metrics", "warehouse", "preprocessing", "training", "export", "serving", "client", "benchmarks")
ROOTS_OF_PYTHON = {"BaseException", "Exception", "ValueError", "TypeError", "RuntimeError", "OSError", "LookupError"}


def test_no_public_error_stands_outside_the_tree() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {each.name}"
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        for each in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(each, ast.ClassDef)
        and not each.name.startswith("_")
        and {ast.unparse(base) for base in each.bases} & ROOTS_OF_PYTHON
        and {ast.unparse(base) for base in each.bases} <= ROOTS_OF_PYTHON
    ]
    assert found == ["stage/errors.py: NaiadError"]


@pytest.mark.parametrize("error", [PortTakenError("port 8000 is taken: give another"), NotTriton("port 8000: a page")])
def test_an_error_of_the_server_or_the_client_ends_any_command_with_one_line(
    error: NaiadError, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as raised:
        run_command(main)
    assert raised.value.code == 2
    assert capsys.readouterr().err == f"naiad: {error}\n"


def test_serving_needs_no_package_of_ours_but_the_stage_nor_a_library_to_start_a_server() -> None:
    code = (
        "import sys; before = set(sys.modules); import serving.cli, serving.server;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["serving", "stage"]
