"""`python -m preprocessing schema`: a draft printed or written, and one line for what it cannot work with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preprocessing.__main__ import main
from preprocessing.schema import load_schema

ROOT = Path(__file__).parents[2]
ROWS = "user;item;time\n" + "".join(f"u{n % 5};i{n % 7};2024-{1 + n // 28:02}-{1 + n % 28:02}\n" for n in range(112))


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """Run the command in this process; its exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["preprocessing", "schema", *map(str, arguments)])
    with pytest.raises(SystemExit) as raised:
        main()
    printed = capsys.readouterr()
    return int(raised.value.code or 0), printed.out, printed.err


def test_a_draft_is_printed_or_written_and_never_replaced_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.csv").write_text(ROWS, encoding="utf-8")
    code, printed, _ = run(capsys, monkeypatch, "--from", tmp_path / "log.csv", "--time-zone", "Europe/Paris")
    assert code == 0
    (tmp_path / "printed.toml").write_text(printed, encoding="utf-8")
    schema = load_schema(tmp_path / "printed.toml")
    assert (schema.name, schema.log.separator) == ("log", ";")
    assert schema.log.timezone == ("Europe/Paris", "Europe/Paris")

    output = tmp_path / "new" / "mine.toml"
    code, printed, _ = run(capsys, monkeypatch, "--from", tmp_path / "log.csv", "--output", output)
    assert json.loads(printed) == {"output": str(output), "to_choose": 0}
    assert load_schema(output).name == "mine"
    edited = output.read_text(encoding="utf-8") + "# edited\n"
    output.write_text(edited, encoding="utf-8")
    code, printed, errors = run(capsys, monkeypatch, "--from", tmp_path / "log.csv", "--output", output)
    assert (code, printed) == (2, "")
    assert errors == f"naiad: --output {output}: exists already, give another name or --overwrite\n"
    assert output.read_text(encoding="utf-8") == edited
    assert run(capsys, monkeypatch, "--from", tmp_path / "log.csv", "--output", output, "--overwrite")[0] == 0
    assert "# edited" not in output.read_text(encoding="utf-8")


def test_a_draft_is_utf_8_on_any_terminal(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(ROWS.replace("i1", "café"), encoding="utf-8")
    line = [sys.executable, "-m", "preprocessing", "schema", "--from", str(tmp_path / "log.csv")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"café"' in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "gone.csv"), "gone.csv: no such file, give the path of a .parquet"),
        (("--from", "duckdb:///shop.duckdb/log"), "is not a file or folder: write some rows of the table to a file"),
        (("--from", "log.csv", "--output", "mine.txt"), "--output mine.txt: a schema is a .toml file"),
        (("--from", "log.csv", "--output", "log.csv/mine.toml"), "log.csv/mine.toml: cannot be written"),
        (("--from", "log.csv", "--columns", "who=user"), "'who=user' is not ROLE=NAME"),
        (("--from", "log.csv", "--encoding", "nope"), "--encoding nope (log.encoding): is no encoding"),
        ((), "the following arguments are required: --from"),
    ],
)
def test_what_cannot_be_drafted_is_one_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(ROWS, encoding="utf-8")
    code, printed, errors = run(capsys, monkeypatch, *arguments)
    assert (code, printed) == (2, "")
    assert errors.startswith("naiad: ")
    assert message in errors
    assert errors.count("\n") == 1
