"""`python -m export` answers at once, and refuses bad arguments in one line."""

import re
import subprocess
import sys

import pytest

from tests.in_process import run_in_process


def test_help_needs_no_heavy_import() -> None:
    probe = "import sys, export.__main__ as m; m._parser().format_help(); print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("top_k", ["0", "-1", "ten", "1.5"])
def test_a_top_k_that_is_no_count_is_refused(top_k: str) -> None:
    done = run_in_process("export", "repository", "--model=m", "--data=d", "--output=o", f"--top-k={top_k}")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"naiad: .*--top-k: .*{top_k}.*\n", done.stderr)


@pytest.mark.parametrize("retriever", [[], ["--retriever=t"]])
def test_a_number_of_candidates_out_of_range_is_one_line(retriever: list[str]) -> None:
    wanted = ["--model=m", "--data=d", "--output=o", "--candidates=0", *retriever]
    done = run_in_process("export", "repository", *wanted)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "naiad: --candidates: Input should be greater than or equal to 1, seen 0\n"
