"""The side of the rivals that needs none of their environments."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.rivals.environment import LOCKS, RIVALS, RivalFailed, last_line, python_of
from benchmarks.rivals.leave_one_out import Log, evaluate, padded, read_log
from benchmarks.rivals.split import UserSplit, from_prefixes, read_split, write_split
from stage.errors import BadInput

PREFIXES = {
    "train": [("u", ["b"], "a"), ("u", ["b", "a"], "c"), ("v", ["c"], "b")],
    "validation": [("u", ["a", "c"], "d"), ("v", ["c", "b"], "a"), ("w", ["a"], "b")],
    "test": [("u", ["c", "d"], "e"), ("v", ["b", "a"], "d"), ("w", ["a", "b"], "é")],
}
SPLIT = {
    "u": UserSplit(("b", "a", "c"), "d", "e"),
    "v": UserSplit(("c", "b"), "a", "d"),
    "w": UserSplit(("a",), "b", "é"),
}


def test_a_split_follows_from_expanded_prefixes_also_where_histories_are_cut() -> None:
    assert from_prefixes(**PREFIXES) == SPLIT


def test_prefixes_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="user u: a history ends with a, expected c"):
        from_prefixes([("u", ["b"], "c"), ("u", ["b", "a"], "c")], [], [])


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "split.parquet"
    write_split(SPLIT, path)
    assert read_split(path) == SPLIT
    assert pq.read_schema(path).names == ["user_id", "position", "item_id", "part"]


def test_a_file_that_is_no_leave_one_out_split_is_refused(tmp_path: Path) -> None:
    write_split(SPLIT, tmp_path / "split.parquet")
    pq.write_table(pq.read_table(tmp_path / "split.parquet").slice(0, 4), tmp_path / "cut.parquet")
    with pytest.raises(ValueError, match="user u has the parts"):
        read_split(tmp_path / "cut.parquet")


def test_a_log_is_read_in_the_order_of_positions(tmp_path: Path) -> None:
    write_split({"u": SPLIT["u"]}, tmp_path / "log.parquet")
    shuffled = pq.read_table(tmp_path / "log.parquet").sort_by([("item_id", "descending")])
    pq.write_table(shuffled, tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet")
    assert (log.items, [each.tolist() for each in log.sequences]) == (5, [[1, 0, 2, 3, 4]])
    assert [each.tolist() for each in log.train()] == [[1, 0, 2]]


def test_the_next_item_is_ranked_without_seen_items_and_a_tie_counts_against_it() -> None:
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    log = Log([np.array([0, 1, 2, 3])], 6)
    # seen 0, 1, 2 score highest, 4 ties with the target 3: rank 2
    figures = evaluate(lambda _: torch.tensor([[9.0, 9.0, 9.0, 1.0, 1.0, 0.0]]), log, "test")
    assert figures == {"ndcg@10": 0.6309, "hit_rate@10": 1.0}
    # for validation, the target 2 is ranked behind 3 and 4 alone, which the history lacks
    figures = evaluate(lambda _: torch.tensor([[9.0, 9.0, 0.5, 1.0, 1.0, 0.0]]), log, "validation")
    assert figures == {"ndcg@10": 0.5, "hit_rate@10": 1.0}
    missed = evaluate(lambda _: torch.tensor([[9.0, 9.0, 9.0, -torch.inf, 1.0, 0.0]]), log, "test")
    assert missed == {"ndcg@10": 0.0, "hit_rate@10": 0.0}


def test_histories_are_right_aligned_and_keep_the_newest_items() -> None:
    np = pytest.importorskip("numpy")
    histories = [np.array([5, 6, 7]), np.array([8])]
    assert padded(histories, 2, padding=0, shift=1).tolist() == [[7, 8], [0, 9]]


def test_the_last_line_of_a_rival_is_its_result() -> None:
    assert last_line('noise\n{"seconds_per_epoch": 2.5}\n', "run_replay") == {"seconds_per_epoch": 2.5}
    for text in ("", "noise", "noise\n[1]"):
        with pytest.raises(RivalFailed, match="run_replay printed"):
            last_line(text, "run_replay")


def test_an_unknown_rival_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no rival is named 'tensorflow'"):
        python_of("tensorflow", tmp_path)


def test_every_version_is_pinned_and_torch_is_the_projects_own() -> None:
    lock = (LOCKS.parents[1] / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
    (torch,) = (line for line in lock if line.startswith("torch=="))
    for name in RIVALS:
        lines = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        assert all(line.count("==") == 1 and "+" not in line for line in lines), name
        assert torch in lines, name


def test_what_a_rivals_python_runs_imports_nothing_of_ours() -> None:
    ours = {"stage", "metrics", "warehouse", "preprocessing", "training", "export", "serving", "client", "benchmarks"}
    for path in LOCKS.glob("*.py"):
        if path.name == "environment.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            others = [name for name in names if name.split(".")[0] in ours and not name.startswith("benchmarks.rivals")]
            assert others == [], path.name


def test_a_ready_environment_is_used_again_until_a_pin_changes(tmp_path: Path) -> None:
    import hashlib

    lock = LOCKS / "recbole.txt"
    (tmp_path / "recbole").mkdir()
    (tmp_path / "recbole" / "installed").write_text(hashlib.sha256(lock.read_bytes()).hexdigest(), encoding="utf-8")
    assert python_of("recbole", tmp_path) == tmp_path / "recbole" / "bin" / "python"


def test_the_command_reports_an_unknown_rival_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rivals.environment", "tensorflow"],
        capture_output=True,
        text=True,
        cwd=LOCKS.parents[1],
        env=os.environ,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("naiad: no rival is named 'tensorflow'")
    assert json.dumps(done.stderr).count("\\n") == 1
