"""A whole fit: its files, learning from the train period only, and equal files from a cluster."""

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from preprocessing.cluster import ClusterError
from preprocessing.fit import fit
from preprocessing.schema import UNKNOWN_ID, Sequence, load_schema, read_fitted
from preprocessing.workflow import load_workflow, transform
from stage.manifest import MANIFEST
from tests.synthetic import write_log

SPLITS = ("train", "validation", "test")


def bytes_of(data: Path) -> dict[str, bytes]:
    """Every file of the output; pickles and NVTabular's record of its versions apart, which hold times and paths."""
    files = (file for file in data.rglob("*") if file.is_file() and file.name not in ("workflow.pkl", "metadata.json"))
    return {str(file.relative_to(data)): file.read_bytes() for file in files}


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.rglob("*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]


def test_the_output_holds_what_the_later_stages_read(synthetic_data: Path) -> None:
    names = {path.name for path in synthetic_data.iterdir()}
    tables = {"items.parquet", "item_index.parquet", "sequences.parquet", "popular.parquet", "daily_purchases.parquet"}
    assert names == {"schema.json", "schema.pbtxt", "workflow", "item_workflow", "requests", MANIFEST, *tables, *SPLITS}
    weeks = {split: sorted(path.name for path in (synthetic_data / split).iterdir()) for split in SPLITS}
    assert weeks["train"][0] == "week=2024-W01"
    assert weeks == {s: sorted(p.name for p in (synthetic_data / "requests" / s).iterdir()) for s in SPLITS}


def test_encoded_rows_are_the_requests_run_through_the_saved_workflow(synthetic_data: Path) -> None:
    features = read_fitted(synthetic_data).schema_.request_features
    workflow = load_workflow(synthetic_data / "workflow")
    for file in sorted((synthetic_data / "requests").rglob("*.parquet")):
        raw, written = (
            pq.ParquetFile(path).read()
            for path in (file, synthetic_data / file.relative_to(synthetic_data / "requests"))
        )
        encoded = transform(workflow, features, raw.to_pandas())
        for feature in features:
            seen = written[feature.name].to_pylist()
            assert seen == [
                value.tolist() if isinstance(value, np.ndarray) else value for value in encoded[feature.name]
            ]


def test_targets_are_distinct_and_encoded_as_the_item_table_says(synthetic_data: Path) -> None:
    table = pq.read_table(synthetic_data / "items.parquet").to_pylist()
    items = {row["item_id"]: row["encoded_id"] for row in table}
    unknown = 0
    for split in SPLITS:
        raw, encoded = rows(synthetic_data / "requests" / split), rows(synthetic_data / split)
        assert len(raw) == len(encoded) > 0
        for request, row in zip(raw, encoded, strict=True):
            assert len(set(request["target"])) == len(request["target"]) > 0
            assert not set(request["target"]) & set(request["basket"])
            assert row["target"] == [items[item] for item in request["target"]]
            unknown += row["target"].count(UNKNOWN_ID)
    assert unknown, "some items shall be rarer than min_frequency"


def test_every_file_has_the_same_typed_columns(synthetic_data: Path) -> None:
    for folders in (SPLITS, [f"requests/{split}" for split in SPLITS]):
        files = [file for folder in folders for file in (synthetic_data / folder).rglob("*.parquet")]
        schemas = {pq.read_schema(file).to_string(show_schema_metadata=False) for file in files}
        assert len(schemas) == 1
        assert ": null" not in schemas.pop()


def test_rows_stand_in_their_week_and_split_by_local_time(synthetic_data: Path) -> None:
    boundaries = read_fitted(synthetic_data).boundaries
    for split, first, end in (
        ("train", None, "validation"),
        ("validation", "validation", "test"),
        ("test", "test", None),
    ):
        for file in (synthetic_data / "requests" / split).rglob("*.parquet"):
            for row in rows(file.parent):
                assert f"week={row['time']:%G-W%V}" == file.parent.name
                assert (row["hour"], row["weekday"]) == (row["time"].hour, row["time"].weekday())
                assert first is None or row["time"] >= pd.Timestamp(boundaries[first])
                assert end is None or row["time"] < pd.Timestamp(boundaries[end])


def test_daily_purchases_count_the_known_items_of_the_whole_log(synthetic_data: Path) -> None:
    daily = pq.read_table(synthetic_data / "daily_purchases.parquet").to_pandas()
    index = pq.read_table(synthetic_data / "item_index.parquet").to_pandas()
    before = daily[daily["day"] < pd.Timestamp(read_fitted(synthetic_data).boundaries["validation"])]
    counted = before.groupby("encoded_id")["purchases"].sum().reindex(index.index, fill_value=0)
    assert counted.tolist() == index["purchases"].tolist()
    assert daily["purchases"].sum() > index["purchases"].sum()


def test_the_merlin_schema_reads_back_with_tags_and_domains(synthetic_data: Path) -> None:
    from merlin.schema.io.tensorflow_metadata import TensorflowMetadata

    fitted = read_fitted(synthetic_data)
    merlin = TensorflowMetadata.from_proto_text_file(str(synthetic_data), "schema.pbtxt").to_merlin_schema()
    assert merlin.column_names == [feature.name for feature in fitted.schema_.request_features]
    for feature in fitted.schema_.request_features:
        if isinstance(feature, Sequence):
            assert merlin[feature.name].int_domain.max == fitted.items - 1
            assert merlin[feature.name].is_list
    assert {str(tag.value) for tag in merlin["city"].tags} >= {"user", "categorical"}


def test_nothing_is_learned_from_the_validation_and_test_periods(tmp_path: Path, synthetic_data: Path) -> None:
    log = write_log(tmp_path / "log")
    schema = load_schema(log / "schema.toml")
    table = pd.read_parquet(log / "interactions.parquet")
    local = table["time"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris").dt.tz_localize(None)
    later = local >= pd.Timestamp(read_fitted(synthetic_data).boundaries["validation"])
    changed = table.assign(
        item=table["item"].where(~later, "later " + table["item"]),
        amount=table["amount"].where(~later, 1e6),
        device=table["device"].where(~later, "later"),
        slot=table["slot"].where(~later, 77),
        temperature=table["temperature"].where(~later, 1e9),
        query=table["query"].where(~later, "later words"),
    )
    changed = pd.concat([changed, changed[later].assign(user="later user", session="later " + changed["session"])])
    changed.to_parquet(log / "interactions.parquet", index=False)
    items = pd.read_parquet(log / "items.parquet")
    more = items.assign(item="later " + items["item"], brand="later")
    pd.concat([items, more]).to_parquet(log / "items.parquet", index=False)
    users = pd.read_parquet(log / "users.parquet")
    pd.concat([users, users.iloc[:1].assign(user="later user")]).to_parquet(log / "users.parquet", index=False)
    fit(schema, log, tmp_path / "data")
    seen, expected = bytes_of(tmp_path / "data"), bytes_of(synthetic_data)
    for name, content in expected.items():
        if not name.startswith(("validation", "test", "requests/validation", "requests/test")) and name not in (
            "items.parquet",
            "sequences.parquet",
            "daily_purchases.parquet",
        ):
            assert seen[name] == content, name
    assert read_fitted(tmp_path / "data") == read_fitted(synthetic_data)


def test_a_cluster_of_two_workers_writes_the_same_bytes(tmp_path: Path, synthetic_data: Path) -> None:
    log = write_log(tmp_path / "log")
    before = {process.pid for process in multiprocessing.active_children()}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0) as cluster:
        made = fit(load_schema(log / "schema.toml"), log, tmp_path / "data", scheduler=cluster.scheduler_address)
    assert bytes_of(tmp_path / "data") == bytes_of(synthetic_data)
    assert made.fitted.digest == read_fitted(synthetic_data).digest
    assert {process.pid for process in multiprocessing.active_children()} <= before


def test_a_feature_that_is_null_in_training_except_for_one_session_is_learned_from_that_one(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log")
    table = pd.read_parquet(log / "interactions.parquet")
    late = table["session"] == table["session"][table["time"] < "2024-03-01"].iloc[-1]
    values = {"device": "phone", "query": "und und mit", "temperature": 30.0}
    for name, value in values.items():
        table[name] = pd.Series(value, index=table.index).where(late)
    table.to_parquet(log / "interactions.parquet", index=False)
    items = pd.read_parquet(log / "items.parquet")
    items.assign(brand=None, description=" ").to_parquet(log / "items.parquet", index=False)
    items.loc[items["item"] == "item-5", ["brand", "description"]] = ["one", "one word"]
    items.to_parquet(log / "items.parquet", index=False)
    fitted = fit(load_schema(log / "schema.toml"), log, tmp_path / "data").fitted
    assert [fitted.cardinality(name) for name in ("device", "query")] == [4, 4]
    raw, encoded = rows(tmp_path / "data" / "requests" / "train"), rows(tmp_path / "data" / "train")
    seen = {(request["device"], row["device"], tuple(row["query"])) for request, row in zip(raw, encoded, strict=True)}
    assert seen == {(None, 1, ()), ("phone", 3, (3, 3, 2))}


def test_a_log_whose_time_is_only_an_order_is_left_one_out_without_weeks(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    log = pd.DataFrame({"user_id": np.repeat(range(12), 8), "position": list(range(8)) * 12})
    log.assign(item_id=random.integers(0, 9, len(log))).to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "order.toml").write_text(
        'name = "order"\nsplit = { kind = "leave_one_out" }\n[log]\ntime_unit = "order"\n'
        'columns = { user = "user_id", item = "item_id", time = "position" }\n'
        '[[features]]\nname = "recent"\nkind = "sequence"\nside = "user"\nmax_length = 200\n'
        '[[features]]\nname = "item_id"\nkind = "categorical"\nside = "item"\n',
        encoding="utf-8",
    )
    made = fit(load_schema(tmp_path / "order.toml"), tmp_path / "log.csv", tmp_path / "data")
    assert made.rows == {"train": 12 * 6, "validation": 12, "test": 12}
    for row in rows(tmp_path / "data" / "requests" / "test" / "week=all"):
        own = pd.read_csv(tmp_path / "log.csv", dtype=str)
        assert [*row["recent"], *row["target"]] == own["item_id"][own["user_id"] == row["user"]].tolist()
    assert not (tmp_path / "data" / "daily_purchases.parquet").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [("tcp://127.0.0.1:9", "no Dask scheduler at tcp://127.0.0.1:9 .*start `dask scheduler`"), ("nonsense", "no Dask")],
)
def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        fit(load_schema("generic"), tmp_path / "log", tmp_path / "data", scheduler=address)
    assert list(tmp_path.iterdir()) == []
