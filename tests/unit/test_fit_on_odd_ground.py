"""A fit on a terminal with few characters, or on a disk that refuses writes."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.in_process import run_in_process

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"é{a},ø{(a + b) % 4 + 1},2024-01-{b + 1:02} 10:{a:02}:00" for a in range(6) for b in range(8)]
    (tmp_path / "é.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def command(folder: Path) -> list[str]:
    words = ["preprocessing", "fit", "--schema", "generic", "--split", "leave_one_out"]
    return [*words, "--source", str(folder / "é.csv"), "--output", str(folder / "déjà")]


def test_a_fit_on_an_ascii_terminal_ends_with_json(folder: Path) -> None:
    done = run_in_process(*command(folder), encoding="ascii")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.isascii()
    assert json.loads(done.stdout.splitlines()[-1])["output"] == str(folder / "déjà")


def test_a_disk_that_refuses_what_a_fit_writes_is_one_line_and_leaves_nothing(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = [line for line in done.stderr.splitlines() if line.startswith("naiad: ")]
    assert line.startswith(f"naiad: {folder / 'déjà'}: cannot be written (File too large), raise the limit of a file")
    assert "Traceback" not in done.stderr
    assert [path.name for path in folder.iterdir()] == ["é.csv"]
