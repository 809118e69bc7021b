"""`python -m preprocessing fit`: its output, and one line and exit code 2 for bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.in_process import run_in_process
from tests.synthetic import write_log

ROOT = Path(__file__).parents[2]


def fit_arguments(log: Path, *more: str) -> list[str]:
    schema = str(log / "schema.toml")
    return ["fit", "--schema", schema, "--source", str(log), "--output", str(log.parent / "data"), *more]


def refused(*arguments: str) -> str:
    """Run the command in this process; the one line of its error."""
    done = run_in_process("preprocessing", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("naiad: ")] == lines[-1:]
    assert "Traceback" not in done.stderr
    return lines[-1]


def test_help_answers_at_once() -> None:
    shown = run_in_process("preprocessing", "fit", "--help")
    assert shown.returncode == 0
    assert "--scheduler ADDRESS" in shown.stdout
    probe = """
import sys
import preprocessing.__main__ as command
sys.argv[1:] = ["fit", "--help"]
try:
    command.main()
except SystemExit:
    print(sorted(set(sys.modules) & {"numpy", "pandas", "nvtabular", "rich"}))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.splitlines()[-1] == "[]"


def test_a_fit_prints_a_table_then_one_line_of_json_and_no_warning(tmp_path: Path, synthetic_data: Path) -> None:
    log = write_log(tmp_path / "log")
    line = [sys.executable, "-m", "preprocessing", *fit_arguments(log, "--workers", "2")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    written = json.loads((tmp_path / "data" / "schema.json").read_text(encoding="utf-8"))
    assert result["digest"] == written["digest"]
    for name in ("schema.json", "schema.pbtxt"):
        assert (tmp_path / "data" / name).read_bytes() == (synthetic_data / name).read_bytes()
    assert result["train_rows"] > result["test_rows"] > 0
    assert "24 users" in done.stdout
    assert "basket_value" in done.stdout
    progress = ("building sequences", "encoding weeks")
    assert [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(progress)] == []
    again = run_in_process("preprocessing", *fit_arguments(log))
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"naiad: {tmp_path / 'data'}: has files already, give another folder or --overwrite\n"


def test_a_missing_column_ends_the_command_with_one_line_and_code_2(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log")
    done = run_in_process("preprocessing", *fit_arguments(log, "--columns", "item=sku"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("naiad: no column 'sku' in the log: the columns are user, session, time, ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_terminated_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log")
    line = [sys.executable, "-m", "preprocessing", *fit_arguments(log, "--workers", "2")]
    running = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not list(tmp_path.glob(".data.partial-*/scratch/moments")):
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 143
        assert [path.name for path in tmp_path.iterdir()] == ["log"]
        deadline = time.monotonic() + 10
        while _alive(running.pid):
            assert time.monotonic() < deadline, "processes of the fit outlive it"
            time.sleep(0.05)
    finally:
        running.kill()
        running.wait()


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def edit(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def apply(log: Path) -> None:
        change(pd.read_parquet(log / f"{name}.parquet")).to_parquet(log / f"{name}.parquet", index=False)

    return apply


def rewrite(old: str, new: str) -> Callable[[Path], None]:
    def apply(log: Path) -> None:
        text = (log / "schema.toml").read_text(encoding="utf-8")
        assert old in text
        (log / "schema.toml").write_text(text.replace(old, new, 1), encoding="utf-8")

    return apply


def torn(log: Path) -> None:
    (log / "interactions.parquet").write_bytes(b"PAR1 torn")


def nulls_in_slot(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(slot=table["slot"].astype("float64").where(table["slot"] > 0))


BAD_LOGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a missing column": (edit("interactions", lambda t: t.drop(columns="device")), "no column 'device' in the log"),
    "a missing user column": (edit("users", lambda t: t.drop(columns="age")), "no column 'age' in the user table"),
    "a wrong dtype": (
        edit("interactions", lambda t: t.assign(temperature="warm")),
        "'temperature': 'warm' is not a number",
    ),
    "an empty log": (edit("interactions", lambda t: t.iloc[:0]), "the log is empty"),
    "a single user": (edit("interactions", lambda t: t[t["user"] == t["user"][0]]), "the log has a single user"),
    "an all-null column": (edit("items", lambda t: t.assign(brand=None)), "'brand' of the item table is all null"),
    "a column that is null in training": (
        edit("interactions", lambda t: t.assign(device=t["device"].where(t["time"] > "2024-03-12"))),
        "column 'device' is all null in the train period: drop the feature 'device', or move the split",
    ),
    "a number with no logarithm": (
        rewrite(
            'name = "temperature", kind = "numeric", fill = 12.0', 'name = "temperature", kind = "numeric", log = true'
        ),
        "naiad: column 'temperature' has the smallest value -3.5, but log = true takes log(1 + x) and needs more than "
        "-1: say clip = [0.0, ...] for the feature 'temperature'",
    ),
    "a number with no logarithm after training": (
        edit("interactions", lambda t: t.assign(amount=t["amount"].where(t["time"] < "2024-03-12", -99.0))),
        "session_value has the smallest value -",
    ),
    "an item's number with no logarithm": (
        edit("items", lambda t: t.assign(price=-1.0)),
        "column 'price' has the smallest value -1, but log = true",
    ),
    "a number beyond float32": (
        edit("interactions", lambda t: t.assign(temperature=1e39)),
        "column 'temperature' reaches inf in float32, but numbers must be finite: clean it, or say clip = [low, high]",
    ),
    "an item's number beyond float32": (
        edit("items", lambda t: t.assign(price=1e39)),
        "column 'price' reaches inf in float32",
    ),
    "an int column with nulls": (edit("interactions", nulls_in_slot), "column 'slot' has"),
    "a file that is torn": (torn, "interactions.parquet: cannot be read as parquet"),
    "a table that is not there": (lambda log: (log / "users.parquet").unlink(), "users.parquet: no such file"),
    "a duplicate feature": (rewrite('name = "tier"', 'name = "city"'), "duplicate feature name 'city'"),
    "an unknown key": (rewrite("[split]", "[split]\nweeks = 2"), "split.weeks: unknown key"),
    "no session in train": (rewrite("validation_days = 10", "validation_days = 400"), "no session falls in train"),
    "no session in validation": (
        edit("interactions", lambda t: t[(t["time"] < "2024-02-20") | (t["time"] > "2024-03-15")]),
        "no session falls in validation",
    ),
    "no item often enough": (
        rewrite("min_frequency = 12", "min_frequency = 9999"),
        "no item has 9999 purchases",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_LOGS.values(), ids=BAD_LOGS)
def test_a_bad_log_or_schema_is_one_line_and_leaves_nothing(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log")
    spoil(log)
    assert message in refused(*fit_arguments(log))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--schema": "nope"}, "no schema 'nope': give a .toml file or one of amazon_beauty, "),
        ({"--schema": "gone.toml"}, "gone.toml: No such file or directory, give the path of a .toml file"),
        ({"--source": "gone.csv"}, "gone.csv: no such file"),
        ({"--source": None}, "schema synthetic reads a log: give --source"),
        ({"--output": "/proc/naiad"}, "/proc/naiad: cannot be written"),
        ({"--output": "/etc/passwd/below"}, "/etc/passwd/below: cannot be written (Not a directory)"),
        ({"--output": "/etc/passwd"}, "/etc/passwd: is a file, give a folder"),
        ({"--output": "{log}"}, "interactions.parquet, which this command reads: give another folder"),
        ({"--columns": "user:who"}, "--columns: 'user:who' is not ROLE=NAME, the roles are user, item, time, session"),
        ({"--workers": "0"}, "--workers 0: give 1 or more"),
    ],
)
def test_bad_arguments_are_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log")
    pairs = {"--schema": str(log / "schema.toml"), "--source": str(log), "--output": str(tmp_path / "data"), **change}
    given = [word.format(log=log) for option, value in pairs.items() if value is not None for word in (option, value)]
    assert message in refused("fit", *given)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
