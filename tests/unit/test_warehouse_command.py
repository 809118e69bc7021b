"""`python -m warehouse`: a table, then one line of JSON; bad input is one line and exit code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.in_process import run_in_process
from tests.vectors import batches, made_up
from warehouse.__main__ import main
from warehouse.history import open_warehouse
from warehouse.partition import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("warehouse") / "history.duckdb"
    with open_warehouse(str(file)) as warehouse:
        for seed, run in enumerate(("may", "june")):
            warehouse.write_run(Run("shop", run, f"r{seed}"), {"user": batches(made_up(20, 4, seed))})
    return file


def result(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["warehouse", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    printed = capsys.readouterr()
    if raised.value.code == 0:
        return printed.out.splitlines()[-1]
    assert raised.value.code == 2
    assert printed.err.count("\n") == 1
    return printed.err


def test_help_answers_without_ibis() -> None:
    probe = """
import sys
import warehouse.__main__ as command
sys.argv[1:] = ["neighbours", "--help"]
try:
    command.main()
except SystemExit:
    print(sorted(set(sys.modules) & {"ibis", "numpy", "pyarrow", "sqlglot", "rich"}))
"""
    loaded = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True)
    assert loaded.stdout.splitlines()[-1] == "[]"


def test_every_command_ends_with_json(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_users = ["--url", str(file), "--kind", "user"]
    runs = json.loads(result(["runs", "--url", f"duckdb://{file}"], monkeypatch, capsys))["rows"]
    assert [(row["run"], row["release"], row["vectors"], row["whole"]) for row in runs] == [
        ("may", "r0", 20, True),
        ("june", "r1", 20, True),
    ]
    near = json.loads(result(["neighbours", *of_users, "--id", "id 3", "--k", "2"], monkeypatch, capsys))
    assert (near["run"], len(near["neighbours"])) == ("june", 2)
    moved = ["drift", *of_users, "--id", "id 3", "--from", "may", "--to", "june", "--k", "4"]
    drift = json.loads(result(moved, monkeypatch, capsys))
    assert drift["most"][0]["distance"] >= drift["distance"] > 0
    assert (drift["from"], drift["to"], len(drift["most"])) == ("may", "june", 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["neighbours", "--kind", "user", "--id", "nobody"], "naiad: no id 'nobody' in the user vectors of run 'june'"),
        (["neighbours", "--kind", "user", "--id", "id 1", "--k", "0"], "naiad: k = 0: give 1 or more"),
        (["neighbours", "--kind", "item", "--id", "id 1"], "naiad: no item vectors in duckdb://"),
        (["drift", "--kind", "user", "--from", "may", "--to", "july"], "naiad: no user vectors of run 'july' in"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: list[str],
    message: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in result([*arguments, "--url", str(file)], monkeypatch, capsys)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_is_not_utf_8_gets_a_table_and_json_that_is_valid(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, name = tmp_path / "history é.duckdb", "Ærø 🧍"
    with open_warehouse(str(file)) as warehouse:
        warehouse.write_run(Run(name, "may", "r1"), {"user": batches(made_up(5, 4, 0))})
    monkeypatch.setenv("COLUMNS", "200")
    done = run_in_process("warehouse", "runs", "--url", file, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    *table, last = done.stdout.splitlines()
    assert json.loads(last)["rows"][0]["experiment"] == name
    shown = {"ascii": "?r? ?", "latin-1": "Ærø ?"}[encoding]
    assert any(f" {shown} " in line for line in table)


def test_a_reader_that_went_away_ends_the_command_quietly(file: Path) -> None:
    run = [sys.executable, "-m", "warehouse", "runs", "--url", str(file)]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(run, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,vector\n" * 2000, "not a valid DuckDB database file!: give a DuckDB file that you may open"),
        (None, "no such file, give a DuckDB file"),
    ],
)
def test_a_file_that_is_not_a_database_is_one_line(
    content: bytes | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / "h.duckdb").write_bytes(content)
    assert message in result(["runs", "--url", str(tmp_path / "h.duckdb")], monkeypatch, capsys)
