"""`python -m export` answers at once, and tells bad arguments in one line."""

import subprocess
import sys

import pytest

from export.__main__ import _parser


def test_help_needs_no_heavy_import() -> None:
    probe = "import sys, export.__main__ as m; m._parser().format_help(); print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("top_k", ["0", "-1", "ten", "1.5"])
def test_a_top_k_that_is_not_a_count_is_refused(top_k: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        _parser().parse_args(["repository", "--model", "m", "--data", "d", "--output", "o", f"--top-k={top_k}"])
    assert exit_.value.code == 2
    assert "expected a whole number of at least 1" in capsys.readouterr().err
