"""Sequences have exactly the content of the moments, and a batch is as long as its longest."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client.errors import RecordedDataInvalid
from client.histories import read_histories
from preprocessing.declared import Schema, parse_schema
from preprocessing.item_sequences import ITEM_SEQUENCES, write_item_sequences
from preprocessing.items import number_items
from preprocessing.log.canonical import raw_log
from preprocessing.log.read import frame_table
from preprocessing.schema import FIRST_KNOWN_ID, UNKNOWN_ID, FittedSchema, read_fitted
from preprocessing.sequences import group_by_user, moments
from preprocessing.session_rows import with_rows
from preprocessing.split import SPLITS, split_of_sessions
from stage.parquet import ParquetError
from training.examples.length_batches import LengthBatches
from training.examples.moments import SplitData
from training.examples.sequence_file import SequencesError
from training.examples.sequences import SequenceExamples, TrainingSequences

Lists = list[list[int]]
LONG = 1000


def schema_of(kind: str, users: bool = True, cut: bool = True, order: bool = False, **split: Any) -> Schema:
    histories = [{"name": "recent", "source": "recent", "max_length": LONG}] if users else []
    sessions = [{"name": "basket", "source": "session", "max_length": LONG}] if cut else []
    columns = {"item": "item", "time": "time", "session": "session", **({"user": "user"} if users else {})}
    days = {"validation_days": 2, "test_days": 2} if kind == "time" else {}
    body = {
        "name": "unit",
        "log": {"columns": columns, "time_unit": "order" if order else "timestamp", "order_in_session": "shuffled"},
        "split": {"kind": kind, **days, **split},
        "features": [
            *({"kind": "sequence", "side": "context", **each} for each in (*histories, *sessions)),
            {"name": "store", "kind": "categorical", "side": "context"},
            {"name": "item_id", "kind": "categorical", "side": "item", "column": "item", "min_frequency": 7},
        ],
    }
    return parse_schema(body, "unit")


def log_of(schema: Schema, seed: int = 0) -> pd.DataFrame:
    """Sessions of four users that overlap, begin at the same instants and repeat items; rows in no order."""
    random = np.random.default_rng(seed)
    session = np.sort(random.integers(0, 60, 240))
    begin = random.integers(0, 36, 60)
    place = begin[session] + random.integers(0, 3, len(session)) * (session % 2)
    log = pd.DataFrame({"session": [f"s{number}" for number in session], "user": [f"u{n % 4}" for n in session]})
    log["item"] = [f"i{item}" for item in (random.pareto(1.0, len(session)) * 4).astype(int) % 40]
    log["time"] = (
        place if schema.log.time_unit == "order" else pd.Timestamp("2024-03-01") + pd.to_timedelta(place * 5, "h")
    )
    return log.assign(store="x").sample(frac=1, random_state=seed).reset_index(drop=True)


def written(schema: Schema, folder: Path, group: int = 1 << 18) -> tuple[FittedSchema, pd.DataFrame]:
    """Write the sequences of the log; its moments with encoded ids, in the order of their rows."""
    log = raw_log(schema, frame_table("the log", log_of(schema)), None, None)
    split, _ = split_of_sessions(schema, log.sessions)
    items, sessions = number_items(schema, log, split), with_rows(schema, log, split)
    folder.mkdir(exist_ok=True)
    write_item_sequences(log, sessions, items, folder, group)
    purchases = log.interactions.assign(user=pd.factorize(log.sessions["user"])[0][log.interactions["session"]])
    rows = moments(schema, group_by_user(purchases), sessions, log.users).to_pandas()
    rows = rows.sort_values(["time", "user", "session"], kind="stable")
    ids = items["encoded_id"].to_numpy()
    assert {UNKNOWN_ID, FIRST_KNOWN_ID} <= set(ids)
    for name in {"recent", "basket", "target"} & set(rows.columns):
        rows[name] = [ids[numbers].tolist() for numbers in rows[name]]
    return FittedSchema(schema_=schema, learned={}, items=len(ids) + FIRST_KNOWN_ID), rows


def lists(padded: Any) -> Lists:
    return [[number for number in row if number] for row in padded.tolist()]


def of_split(folder: Path, split: str, fitted: FittedSchema, length: int = LONG) -> tuple[Lists, Lists, Lists]:
    """History, session so far and targets of every example."""
    examples = SequenceExamples(folder, split, fitted, length)
    every = np.arange(len(examples))
    batch = examples.batch(every)
    targets = [targets.tolist() for targets in examples.target_lists(every)]
    known = [[target for target in row if target >= FIRST_KNOWN_ID] for row in targets]
    assert batch.rows.tolist() == [row for row, ids in enumerate(known) for _ in ids]
    assert batch.targets.tolist() == [target for ids in known for target in ids]
    return lists(batch.history["items"]), lists(batch.session), targets


SCHEMAS = {
    f"{kind}, {'users' if users else 'no users'}, {'cut' if cut else 'whole'}, {'order' if order else 'times'}": (
        schema_of(kind, users, cut, order)
    )
    for kind in ("time", "leave_one_out", "sessions", "random")
    for users in (True, False)
    for cut in (True, False)
    for order in (True, False)
    if not (kind == "time" and order) and not (kind == "leave_one_out" and not users)
} | {"some train": schema_of("leave_one_out", train_moments_per_user=3)}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_sequences_hold_the_history_and_the_targets_of_every_moment(schema: Schema, tmp_path: Path) -> None:
    fitted, rows = written(schema, tmp_path)
    for split in SPLITS:
        own = rows[rows["split"] == split]
        history, session, targets = of_split(tmp_path, split, fitted)
        empty: Lists = [[]] * len(own)
        assert len(own) > 1
        assert not schema.log.columns.user or max(map(len, history)) > 9
        assert history == (own["recent"].tolist() if "recent" in own else empty)
        assert session == (own["basket"].tolist() if "basket" in own else empty)
        assert targets == own["target"].tolist()


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_client_sends_the_known_items_of_every_moment_as_raw_ids(schema: Schema, tmp_path: Path) -> None:
    fitted, _ = written(schema, tmp_path)
    (tmp_path / "schema.json").write_text(json.dumps({"schema": {"split": {"kind": schema.split.kind}}}))
    ids = [UNKNOWN_ID, *range(FIRST_KNOWN_ID, fitted.items)][::-1]
    pq.write_table(pa.table({"item_id": [f"i{n}" for n in ids], "encoded_id": ids}), tmp_path / "items.parquet")
    for split in SPLITS:
        history, session, targets = of_split(tmp_path, split, fitted)
        expected = [
            [f"i{item}" for item in (*before, *so_far) if item >= FIRST_KNOWN_ID]
            for before, so_far in zip(history, session, strict=True)
        ]
        sizes = np.array([len(row) for row in targets])
        assert read_histories(tmp_path / "requests" / split, sizes).to_pylist() == expected
        for wrong in (sizes[:-1], np.append(sizes, 1), sizes + 1):
            with pytest.raises(RecordedDataInvalid, match=r"sequences\.parquet: has other rows than"):
                read_histories(tmp_path / "requests" / split, wrong)


def test_the_sequences_of_a_fit_hold_what_its_rows_hold(synthetic_data: Path) -> None:
    fitted = read_fitted(synthetic_data)
    length = next(feature.max_length for feature in fitted.schema_.features if feature.name == "recent")  # type: ignore[union-attr]
    for split in SPLITS:
        rows = SplitData(synthetic_data, split, fitted)
        every = np.arange(len(rows))
        history, _, targets = of_split(synthetic_data, split, fitted, length)
        assert history == lists(rows.batch(every).features["recent"])
        assert targets == [target.tolist() for target in rows.target_lists(every)]


def test_what_trains_is_all_items_of_train_sessions_in_the_order_of_time(tmp_path: Path) -> None:
    for kind in ("time", "random"):
        schema = schema_of(kind)
        _, rows = written(schema, tmp_path)
        train = rows[rows["split"] == "train"]
        data = TrainingSequences(tmp_path, LONG, also=("instants", "sessions"))
        batch = data.collate(range(len(data)))
        assert data.lengths.tolist() == (batch["items"] > 0).sum(1).tolist()
        for user, items in enumerate(lists(batch["items"])):
            own = train[train["user"] == f"u{user}"]
            held = [*own["basket"].explode(), *own["target"].explode()]
            assert sorted(items) == sorted(item for item in held if item >= FIRST_KNOWN_ID)
            instants = batch["instants"][user][: len(items)]
            assert bool((instants.diff() >= 0).all())
        sessions = TrainingSequences(tmp_path, LONG, each="session")
        whole = [
            [item for item in (*basket, *target) if item >= FIRST_KNOWN_ID]
            for basket, target in zip(train["basket"], train["target"], strict=True)
        ]
        assert sorted(lists(sessions.collate(range(len(sessions)))["items"])) == sorted(
            each for each in whole if len(each) > 1
        )


def test_a_longer_sequence_is_cut_to_its_newest_items_or_into_windows_that_share_one(tmp_path: Path) -> None:
    written(schema_of("time"), tmp_path)

    def items_of(length: int, windows: bool = False) -> Lists:
        data = TrainingSequences(tmp_path, length, windows=windows)
        return lists(data.collate(range(len(data)))["items"])

    whole = items_of(LONG)
    assert items_of(5) == [items[-5:] for items in whole]
    for length in (2, 5):
        windows = iter(items_of(length, windows=True))
        for items in whole:
            pairs: list[tuple[int, int]] = []
            while len(pairs) < len(items) - 1:
                window = next(windows)
                assert len(window) == length or not pairs
                pairs += itertools.pairwise(window)
            assert pairs == list(itertools.pairwise(items))
        assert list(windows) == []


def test_row_groups_and_the_order_of_the_file_change_nothing(tmp_path: Path) -> None:
    fitted, _ = written(schema_of("time"), tmp_path / "whole")
    written(schema_of("time"), tmp_path / "cut", group=50)
    groups = [pq.ParquetFile(tmp_path / name / ITEM_SEQUENCES).num_row_groups for name in ("whole", "cut")]
    assert groups[0] == 1 < groups[1]
    assert pq.read_table(tmp_path / "whole" / ITEM_SEQUENCES) == pq.read_table(tmp_path / "cut" / ITEM_SEQUENCES)
    for split in SPLITS:
        assert of_split(tmp_path / "whole", split, fitted) == of_split(tmp_path / "cut", split, fitted)


def test_an_epoch_has_every_sequence_once_in_batches_of_nearly_one_length() -> None:
    lengths = np.random.default_rng(0).integers(2, 200, 1003)
    batches = LengthBatches(lengths, 16, seed=1, bucket=8)
    first = list(batches)
    assert sorted(number for batch in first for number in batch) == list(range(1003))
    assert len(first) == len(batches)
    padding = sum(int((lengths[batch].max() - lengths[batch]).sum()) for batch in first)
    assert padding < 0.15 * lengths.sum()
    assert max(len(batch) for batch in first) == 16
    assert list(batches) == first == list(LengthBatches(lengths, 16, seed=1, bucket=8))
    batches.set_epoch(1)
    assert list(batches) != first != list(LengthBatches(lengths, 16, seed=2, bucket=8))


def test_a_data_folder_without_sequences_or_with_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SequencesError, match=r"no sequences\.parquet in .*earlier version .* run the fit again"):
        TrainingSequences(tmp_path, 8)
    (tmp_path / ITEM_SEQUENCES).write_bytes(b"torn")
    with pytest.raises(ParquetError, match=r"sequences\.parquet: cannot be read as Parquet .*run `preprocessing fit`"):
        TrainingSequences(tmp_path, 8)
    written(schema_of("time"), tmp_path)
    pq.write_table(pq.read_table(tmp_path / ITEM_SEQUENCES).drop_columns(["instants"]), tmp_path / ITEM_SEQUENCES)
    with pytest.raises(ParquetError, match=r"sequences\.parquet: has no column 'instants': run `preprocessing"):
        TrainingSequences(tmp_path, 8, also=("instants",))
