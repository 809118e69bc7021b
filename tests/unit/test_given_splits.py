"""Files for each split, and repeats inside a session, as the published session protocols have them."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from preprocessing.changes import Changes
from preprocessing.fit import fit
from preprocessing.log.errors import LogError
from preprocessing.log.read import Source, read_log, table_files
from preprocessing.schema import Schema, SchemaError, load_schema, read_fitted
from training.examples.histories import HistoryRows

TRAIN = {0: [1, 2, 1], 1: [3, 3], 2: [2, 1], 3: [1, 3], 4: [2, 3, 2, 1]}
TEST = {0: [3, 1, 3], 1: [2, 2]}


def write(folder: Path) -> Path:
    for name, sessions in (("train_sessions", TRAIN), ("test_prefixes", TEST)):
        rows = [(number, place, item) for number, items in sessions.items() for place, item in enumerate(items)]
        frame = pd.DataFrame(rows, columns=["session_idx", "pos", "item_id"])
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def schema_of(**split: object) -> Schema:
    return load_schema("diginetica", Changes(split={"validation_share": 0.2, **split}))


def test_prefixes_are_the_test_with_their_last_item_as_the_target_and_repeats_in_place(tmp_path: Path) -> None:
    made = fit(schema_of(), write(tmp_path), tmp_path / "data")
    assert made.rows == {"train": 4, "validation": 1, "test": 2}
    names = pq.read_table(tmp_path / "data" / "item_index.parquet")["item_id"].to_pylist()
    for split, wanted in (("validation", {4: TRAIN[4]}), ("test", TEST)):
        rows = HistoryRows(tmp_path / "data", split, read_fitted(tmp_path / "data"), 10, exclude_seen=False)
        batch = rows.batch(range(len(rows)))
        history = [[names[item] for item in items if item] for items in batch.features["history"].tolist()]
        targets = [[names[item] for item in items] for items in rows.target_lists(range(len(rows)))]
        assert [[*items, *target] for items, target in zip(history, targets, strict=True)] == [
            [str(item) for item in items] for items in wanted.values()
        ]
        assert all(len(target) == 1 for target in targets)


def test_without_the_key_a_repeat_is_merged_as_before(tmp_path: Path) -> None:
    changes = Changes(log={"repeats_in_session": "merge"}, split={"validation_share": 0.2})
    log = read_log(load_schema("diginetica", changes), write(tmp_path))
    assert (len(log.interactions), log.report.merged_rows) == (13, 5)


def test_sessions_of_one_name_in_two_files_are_two(tmp_path: Path) -> None:
    log = read_log(schema_of(), write(tmp_path))
    assert log.sessions["session"].tolist() == ["0", "1", "2", "3", "4", "test:0", "test:1"]
    assert log.sessions["split"].tolist() == ["train"] * 5 + ["test"] * 2
    assert log.users.index.tolist() == log.sessions["session"].tolist()


def test_the_files_of_the_splits_are_inputs(tmp_path: Path) -> None:
    found = table_files(schema_of(), Source(write(tmp_path)))
    assert [path.name for path in found] == ["train_sessions.parquet", "test_prefixes.parquet"]


def test_a_missing_or_different_file_of_a_split_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(LogError, match=r"expected one file 'valid\*\.parquet', seen none: give the path"):
        read_log(schema_of(validation_file="valid*.parquet"), tmp_path)
    with pytest.raises(LogError, match=r"seen test_prefixes\.parquet and train_sessions\.parquet"):
        read_log(schema_of(test_file="*s.parquet"), tmp_path)
    frame = pd.read_parquet(tmp_path / "test_prefixes.parquet")
    frame.astype({"item_id": str}).to_parquet(tmp_path / "test_prefixes.parquet", index=False)
    with pytest.raises(LogError, match="column 'item_id' is string in the test file and int64 in the log: write one"):
        read_log(schema_of(), tmp_path)
    frame.drop(columns="item_id").to_parquet(tmp_path / "test_prefixes.parquet", index=False)
    with pytest.raises(LogError, match="no column 'item_id' in the test file"):
        read_log(schema_of(), tmp_path)


def test_a_table_of_a_warehouse_has_no_files_of_splits() -> None:
    with pytest.raises(LogError, match="split kind 'given' needs files"):
        read_log(schema_of(), "duckdb:///x.duckdb/log")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes(split={"targets": "rest"}), "repeats_in_session = 'keep' needs split.targets = 'last'"),
        (Changes(split={"test_file": None}), "needs the test sessions: name their file in split.test_file"),
    ],
)
def test_a_split_that_cannot_be_is_refused(changes: Changes, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        load_schema("diginetica", changes)


def test_recboles_files_keep_quotes_types_and_fractions_out_of_ids(tmp_path: Path) -> None:
    rows = 'u:1\t"a\t3\t881250949.5\nu:1\tb"\t3\t881250950\nu2\t"a\t4\t1\n'
    text = f"user_id:token\titem_id:token\trating:float\ttimestamp:float\n{rows}"
    (tmp_path / "x.inter").write_text(text, encoding="utf-8")
    log = read_log(load_schema("recbole"), tmp_path)
    assert log.items.index.tolist() == ['"a', 'b"']
    assert log.users.index.tolist() == ["u2", "u:1"]
    assert log.report.rows == 3
