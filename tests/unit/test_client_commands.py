"""The command line refuses bad input in one line, and answers --help without slow imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client import InvalidUrl, RecommendClient
from client.cli import main
from client.recorded import RecordedRows, read_titles


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8001",
        "ftp://host:1",
        "grpc://host",
        "http://host:x",
        "grpc://host:99999",
        "http://:1",
        "http://h:1/v2",
    ],
)
def test_a_url_without_scheme_host_and_port_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl, match="give grpc://host:port or http://host:port"):
        RecommendClient(url)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["health", "--url", "127.0.0.1:1"], "url '127.0.0.1:1': is not the address"),
        (["health", "--url", "http://127.0.0.1:1", "--retries", "0"], "http://127.0.0.1:1 does not answer"),
        (["evaluate", "--requests", "nowhere"], "nowhere: no such file or folder"),
        (["evaluate", "--requests", "empty.parquet"], "empty.parquet: has no rows"),
        (["evaluate", "--requests", "text.json"], "text.json: is not a Parquet file: give DATA/requests/<split>\n"),
        (["recommend", "--request", "nowhere.json"], "nowhere.json: No such file"),
        (["recommend", "--request", "text.json"], "text.json: not JSON"),
        (["recommend", "--request", "list.json"], "list.json: contains no request"),
        (["recommend", "--feature", "a", "--user", "9"], "--user: selects from recorded rows: give --requests"),
        (["recommend", "--request", "good.json", "--user", "9"], "--user: selects from recorded rows: give --requests"),
        (
            ["recommend", "--requests", "nobody.parquet"],
            "nobody.parquet: has no column of users: give DATA/requests/<split>",
        ),
        (
            ["recommend", "--requests", "rows.parquet", "--user", "9"],
            "user '9' has no recorded row here: give a user such as 1",
        ),
        (
            ["recommend", "--request", "good.json", "--items", "text.json"],
            "text.json: is not a Parquet file: give DATA/items.parquet\n",
        ),
        (["recommend", "--request", "good.json", "--items", "rows.parquet"], "rows.parquet: has no column 'item_id'"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_exit_code_two(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    schema = pa.schema([("hour", pa.int64()), ("user", pa.string())])
    pq.write_table(schema.empty_table(), "empty.parquet")
    pq.write_table(pa.Table.from_pylist([{"hour": 1, "user": "1"}], schema), "rows.parquet")
    pq.write_table(pa.Table.from_pylist([{"hour": 1, "user": None}], schema), "nobody.parquet")
    Path("text.json").write_text("{nothing")
    Path("list.json").write_text("[1]")
    Path("good.json").write_text('{"hour": 1}')
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"naiad: {message}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--requests", "x", "--k", "10,zero"], "argument --k: seen 'zero', expected a whole number"),
        (["bench", "--requests", "x", "--seconds", "-1"], "argument --seconds: seen '-1', expected seconds above 0"),
        (["bench", "--requests", "x", "--model", "a,,b"], "argument --model: seen 'a,,b', expected names"),
        (["recommend"], "one of the arguments --request --requests --feature is required"),
        (["gaze"], "argument COMMAND: invalid choice: 'gaze'"),
    ],
)
def test_bad_arguments_are_one_line_on_stderr_and_exit_code_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"naiad: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["bench", "--help"]])
def test_help_loads_neither_tritonclient_nor_pyarrow(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom client.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "print([name for name in ('tritonclient', 'pyarrow', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_recorded_rows_keep_features_apart_from_what_is_known_of_the_moment(tmp_path: Path) -> None:
    rows = [{"hour": n, "recent_items": ["a"], "target": ["b"], "user": str(n % 2), "time": 9 - n} for n in range(5)]
    (tmp_path / "week=2017-W01").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "week=2017-W01" / "part.parquet")
    recorded = RecordedRows(tmp_path)
    [newest] = recorded.newest_of(["1"])
    assert newest.features == {"hour": 1, "recent_items": ["a"]}
    assert (newest.user, newest.target) == ("1", ("b",))
    assert [[row.features["hour"] for row in batch] for batch in recorded.batches(2, limit=3)] == [[0, 1], [2]]
    assert [row.features["hour"] for row in recorded.spread(2)] == [0, 2]
    assert len(recorded.spread(99)) == 5


def test_items_without_a_title_go_by_their_id(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": ["a", "b"], "title": ["Milk", None]}), tmp_path / "items.parquet")
    assert read_titles(tmp_path / "items.parquet") == {"a": "Milk", "b": "b"}
    pq.write_table(pa.table({"item_id": ["a"]}), tmp_path / "bare.parquet")
    assert read_titles(tmp_path / "bare.parquet") == {"a": "a"}


def test_a_bench_without_perf_analyzer_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PERF_ANALYZER", raising=False)
    assert main(["bench", "--requests", "x"]) == 2
    err = capsys.readouterr().err
    assert "pip install perf-analyzer" in err
    assert "-sdk" in err
    monkeypatch.setenv("PERF_ANALYZER", str(tmp_path / "missing"))
    assert main(["bench", "--requests", "x"]) == 2
    assert "does not start (No such file or directory)" in capsys.readouterr().err
    placeholder = tmp_path / "placeholder"
    placeholder.write_text("#!/bin/sh\necho 'GLIBC_2.38 not found' >&2\nexit 1\n")
    placeholder.chmod(0o755)
    monkeypatch.setenv("PERF_ANALYZER", str(placeholder))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert main(["bench", "--requests", "x"]) == 2
    assert "does not run here (GLIBC_2.38 not found)" in capsys.readouterr().err
