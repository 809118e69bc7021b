"""The history of embeddings in a DuckDB file: runs are complete or absent, and vectors are read as written."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.vectors import batches, by_id, made_up
from warehouse.errors import AddressError, ConnectionRefused, PartitionError, TableError, VectorError
from warehouse.history import Warehouse, open_warehouse
from warehouse.partition import Run

MAY, JUNE = Run("shop", "may", "r1"), Run("shop", "june", "r2")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.duckdb"


@pytest.fixture
def warehouse(file: Path) -> Iterator[Warehouse]:
    with open_warehouse(str(file)) as opened:
        yield opened


def spoil(file: Path, sql: str) -> None:
    import duckdb

    with duckdb.connect(str(file)) as connection:
        connection.execute(sql)


def test_a_run_comes_back_as_it_was_written(warehouse: Warehouse) -> None:
    users, items = made_up(300, 8, seed=1), made_up(40, 8, seed=2)
    written = warehouse.write_run(MAY, {"user": batches(users, 70), "item": batches(items, 70)})
    assert [(each.kind, each.vectors, each.width) for each in written] == [("user", 300, 8), ("item", 40, 8)]
    assert warehouse.partitions() == [(written[1], True), (written[0], True)]
    read = list(warehouse.read("user", "may", width=8, batch_rows=64))
    assert len(read) > 1
    assert {id_: row.tobytes() for id_, row in by_id(read).items()} == {i: r.tobytes() for i, r in users.items()}


def test_neighbours_and_drift_are_those_of_numpy(warehouse: Warehouse) -> None:
    old, new = made_up(60, 8, seed=1), made_up(60, 8, seed=3)
    for run, vectors in ((MAY, old), (JUNE, new)):
        warehouse.write_run(run, {"item": batches(vectors)})
    near = warehouse.neighbours("item", "id 7", k=5, run="may")
    expected = sorted((cosine(old["id 7"], row), id_) for id_, row in old.items() if id_ != "id 7")[:5]
    assert [each.id for each in near] == [id_ for _, id_ in expected]
    assert [each.distance for each in near] == pytest.approx([distance for distance, _ in expected], abs=1e-5)
    drift = warehouse.drift("item", "id 7", "may", "june", k=3)
    assert drift.distance == pytest.approx(cosine(old["id 7"], new["id 7"]), abs=1e-5)
    most = sorted(((cosine(old[id_], new[id_]), id_) for id_ in old), reverse=True)[:3]
    assert [each.id for each in drift.most] == [id_ for _, id_ in most]


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(1 - one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_a_vector_of_zeros_is_near_nothing_and_has_no_drift(warehouse: Warehouse) -> None:
    vectors = {**made_up(3, 4, seed=1), "zero": np.zeros(4, dtype=np.float32)}
    for run in (MAY, JUNE):
        warehouse.write_run(run, {"item": batches(vectors)})
    assert warehouse.neighbours("item", "zero") == []
    assert "zero" not in [each.id for each in warehouse.neighbours("item", "id 0")]
    assert warehouse.drift("item", "zero", "may", "june").distance is None


def test_ids_with_quotes_are_ids(warehouse: Warehouse) -> None:
    row = np.ones(2, dtype=np.float32)
    warehouse.write_run(Run("o'shop", "a\\b", "'"), {"item": batches({"l'été": row, "a\\'; DROP": row})})
    assert [each.id for each in warehouse.neighbours("item", "l'été", run="a\\b")] == ["a\\'; DROP"]


def test_a_run_is_written_once_unless_it_is_overwritten(warehouse: Warehouse) -> None:
    one, other = made_up(5, 4, seed=1), made_up(6, 4, seed=2)
    warehouse.write_run(MAY, {"user": batches(one), "item": batches(one)})
    warehouse.write_run(JUNE, {"item": batches(one)})
    with pytest.raises(PartitionError, match=r"run 'may' of experiment 'shop' exists already in .*overwrite"):
        warehouse.write_run(MAY, {"item": batches(other)})
    assert by_id(warehouse.read("item", "may")).keys() == one.keys()
    warehouse.write_run(MAY, {"item": batches(other)}, overwrite=True)
    assert by_id(warehouse.read("item", "may")).keys() == other.keys()
    assert [(each.run, each.kind) for each, _ in warehouse.partitions()] == [("june", "item"), ("may", "item")]


def test_a_write_that_fails_leaves_the_earlier_partitions_whole(warehouse: Warehouse) -> None:
    one = made_up(50, 4, seed=1)
    warehouse.write_run(MAY, {"user": batches(one), "item": batches(one)})
    before = warehouse.partitions()

    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(made_up(50, 4, seed=2))
        raise RuntimeError("the encoder broke")

    for overwrite, run in ((True, MAY), (False, JUNE)):
        with pytest.raises(RuntimeError, match="the encoder broke"):
            warehouse.write_run(run, {"user": batches(one), "item": failing()}, overwrite)
    assert warehouse.partitions() == before
    assert by_id(warehouse.read("item", "may"))["id 1"].tobytes() == one["id 1"].tobytes()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM user_vectors WHERE id = 'id 3'", "the user vectors of run 'may' .* are half-written"),
        ("DELETE FROM vector_runs", "the user vectors of run 'may' .* are half-written"),
        ("DELETE FROM user_vectors", "the user vectors of run 'may' .* are half-written"),
        (
            "UPDATE user_vectors SET vector = [1.0, 2.0] WHERE id = 'id 3'",
            r"half-written \(the manifest does not state this number and width of vectors\): write the run again",
        ),
        ("UPDATE user_vectors SET vector = [1.0, 2.0, 3.0, 4.0] WHERE id = 'id 3'", "not those that were written"),
        ("UPDATE user_vectors SET id = 'id 9' WHERE id = 'id 3'", "not those that were written"),
    ],
)
def test_a_partition_that_is_not_as_the_manifest_says_is_refused_by_name(sql: str, message: str, file: Path) -> None:
    with open_warehouse(str(file)) as warehouse:
        warehouse.write_run(MAY, {"user": batches(made_up(5, 4, seed=1))})
    spoil(file, sql)
    with open_warehouse(str(file)) as warehouse:
        with pytest.raises(PartitionError, match=message):
            list(warehouse.read("user", "may"))
        if "half-written" in message:
            assert [whole for _, whole in warehouse.partitions()] == [False]
            with pytest.raises(PartitionError, match=r"exists already|is half-written"):
                warehouse.write_run(MAY, {"user": batches(made_up(5, 4, seed=1))})
        warehouse.write_run(MAY, {"user": batches(made_up(5, 4, seed=1))}, overwrite=True)
        assert len(by_id(warehouse.read("user", "may"))) == 5


def test_vectors_of_another_width_are_refused(warehouse: Warehouse) -> None:
    warehouse.write_run(MAY, {"user": batches(made_up(5, 4, seed=1))})
    with pytest.raises(VectorError, match="are 4 wide, expected 8: give the run of the same model"):
        next(warehouse.read("user", "may", width=8))
    warehouse.write_run(JUNE, {"user": batches(made_up(5, 6, seed=1))})
    with pytest.raises(VectorError, match=r"4 wide, .* 6: compare runs of one model"):
        warehouse.drift("user", "id 1", "may", "june")


def record(ids: pa.Array, vectors: pa.Array) -> pa.RecordBatch:
    return pa.record_batch({"id": ids, "vector": vectors})


PAIR = pa.array([[1.0, 2.0], [3.0, 4.0]])
UNFIT = {
    "two widths": (record(pa.array(["a", "b"]), pa.array([[1.0, 2.0], [3.0]])), "a vector is 1 wide, expected 2"),
    "no floats": (record(pa.array(["a", "b"]), pa.array([[], []], pa.list_(pa.float32()))), "a vector is 0 wide"),
    "a NaN": (record(pa.array(["a", "b"]), pa.array([[1.0, np.nan], [3.0, 4.0]])), "NaN or infinity"),
    "a hole": (record(pa.array(["a", "b"]), pa.array([[1.0, None], [3.0, 4.0]])), "NaN or infinity"),
    "beyond float32": (record(pa.array(["a", "b"]), pa.array([[1.0, 1e39], [3.0, 4.0]])), "NaN or infinity"),
    "whole numbers": (record(pa.array(["a", "b"]), pa.array([[1, 2], [3, 4]])), "expected lists of floats: cast"),
    "no vector": (record(pa.array(["a", "b"]), pa.array([[1.0, 2.0], None])), "1 rows have no vector"),
    "no id": (record(pa.array(["a", None]), PAIR), "1 rows have no id"),
    "an empty id": (record(pa.array(["a", ""]), PAIR), "an id is empty"),
    "ids of numbers": (record(pa.array([1, 2]), PAIR), "ids are int64, expected strings: cast them"),
    "an id twice": (record(pa.array(["a", "a"]), PAIR), "id 'a' occurs 2 times, give every id once"),
    "another column": (pa.record_batch({"user": pa.array(["a", "b"]), "vector": PAIR}), "no column 'id'"),
    "no rows": (record(pa.array([], pa.string()), pa.array([], pa.list_(pa.float32()))), "there are none"),
}


@pytest.mark.parametrize(("batch", "message"), UNFIT.values(), ids=UNFIT)
def test_vectors_that_cannot_be_stored_are_refused(batch: pa.RecordBatch, message: str, warehouse: Warehouse) -> None:
    with pytest.raises(VectorError, match=f"the item vectors of run 'may' of experiment 'shop': .*{message}"):
        warehouse.write_run(MAY, {"item": [batch]})
    assert warehouse.partitions() == []


def test_what_is_not_there_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="no such file, give a DuckDB file"):
        open_warehouse(str(file), read_only=True)
    with pytest.raises(AddressError, match="no folder"):
        open_warehouse(str(tmp_path / "gone" / "file.duckdb"))
    (tmp_path / "text.duckdb").write_text("not a database" * 500)
    with pytest.raises(ConnectionRefused, match=r"text\.duckdb: .*: give a DuckDB file"):
        open_warehouse(str(tmp_path / "text.duckdb"))
    with pytest.raises(ConnectionRefused, match="vectors are stored only in DuckDB, PostgreSQL or BigQuery"):
        open_warehouse("mysql://host/database")
    with open_warehouse(str(file)) as warehouse:
        with pytest.raises(TableError, match=r"no table vector_runs in .*: write a run's vectors first"):
            warehouse.partitions()
        for experiment in ("shop", "club"):
            warehouse.write_run(Run(experiment, "may", "r1"), {"item": batches(made_up(3, 4, seed=1))})
        with pytest.raises(PartitionError, match="of the experiments club, shop: say which"):
            warehouse.neighbours("item", "id 1")
        with pytest.raises(VectorError, match="no id 'nobody' in the item vectors of run 'may'"):
            warehouse.neighbours("item", "nobody", experiment="club")
        with pytest.raises(PartitionError, match="no item vectors of run 'july' in"):
            warehouse.neighbours("item", "id 1", run="july")


def test_a_table_of_the_same_name_that_is_not_ours_is_refused(file: Path) -> None:
    spoil(file, "CREATE TABLE user_vectors (id VARCHAR, vector FLOAT[])")
    with (
        open_warehouse(str(file)) as warehouse,
        pytest.raises(TableError, match="no column 'experiment' in table user_vectors"),
    ):
        warehouse.write_run(MAY, {"user": batches(made_up(3, 4, seed=1))})
