"""Writers of a history in a real PostgreSQL who meet, fail or are cut off: what stands is whole."""

import threading
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pytest

from tests.integration.postgres.server import execute
from tests.vectors import batches, by_id, made_up
from warehouse.errors import ConnectionRefused, PartitionError, VectorError
from warehouse.history import Warehouse, open_warehouse
from warehouse.partition import Run

MAY, JUNE = Run("shop", "may", "r1"), Run("shop", "june", "r2")


def run_in_threads(write: Callable[[int], None], seeds: Iterable[int]) -> None:
    """One thread a seed, until all are done."""
    writers = [threading.Thread(target=write, args=(seed,)) for seed in seeds]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)


def test_first_writers_of_an_empty_database_do_not_meet(url: str) -> None:
    together = threading.Barrier(4, timeout=30)
    failures: list[Exception] = []

    def write(seed: int) -> None:
        with open_warehouse(url) as warehouse:
            together.wait()
            try:
                warehouse.write_run(Run("shop", f"run {seed}", "r"), {"user": batches(made_up(20, 4, seed))})
            except Exception as error:
                failures.append(error)

    run_in_threads(write, range(4))
    assert failures == []
    with open_warehouse(url) as warehouse:
        assert [whole for _, whole in warehouse.partitions()] == [True] * 4


def test_a_write_that_fails_leaves_the_earlier_partitions_whole(warehouse: Warehouse) -> None:
    one = made_up(50, 4, seed=1)
    warehouse.write_run(MAY, {"user": batches(one), "item": batches(one)})
    before = warehouse.partitions()

    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(made_up(50, 4, seed=2))
        raise RuntimeError("the encoder broke")

    with pytest.raises(RuntimeError, match="the encoder broke"):
        warehouse.write_run(MAY, {"user": batches(one), "item": failing()}, overwrite=True)
    with pytest.raises(VectorError, match="occurs 2 times"):
        warehouse.write_run(JUNE, {"user": [*batches(one), *batches(one)]})
    with pytest.raises(PartitionError, match="exists already"):
        warehouse.write_run(MAY, {"user": batches(one)})
    assert warehouse.partitions() == before
    assert by_id(warehouse.read("item", "may"))["id 1"].tobytes() == one["id 1"].tobytes()


def test_a_server_that_ends_the_writers_session_leaves_the_earlier_partitions_whole(url: str) -> None:
    one = made_up(50, 4, seed=1)

    def cut_off() -> Iterator[pa.RecordBatch]:
        yield from batches(one)
        execute(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()",
        )
        yield from batches({f"other {id_}": row for id_, row in one.items()})

    with open_warehouse(url) as warehouse:
        warehouse.write_run(MAY, {"user": batches(one)})
        with pytest.raises(ConnectionRefused, match="nothing was written, try again"):
            warehouse.write_run(MAY, {"user": cut_off()}, overwrite=True)
    with open_warehouse(url) as warehouse:
        assert [whole for _, whole in warehouse.partitions()] == [True]
        assert len(by_id(warehouse.read("user", "may"))) == 50


def test_of_two_writers_of_one_run_one_is_refused(url: str) -> None:
    together = threading.Barrier(2, timeout=30)
    outcomes: list[str] = []

    def write(seed: int) -> None:
        def held() -> Iterator[pa.RecordBatch]:
            yield from batches(made_up(20, 4, seed))
            together.wait()

        with open_warehouse(url) as warehouse:
            try:
                warehouse.write_run(MAY, {"user": held()})
                outcomes.append("written")
            except PartitionError:
                outcomes.append("refused")

    with open_warehouse(url) as warehouse:
        warehouse.write_run(JUNE, {"user": batches(made_up(3, 4, seed=9))})
    run_in_threads(write, (1, 2))
    assert sorted(outcomes) == ["refused", "written"]
    with open_warehouse(url) as warehouse:
        assert len(by_id(warehouse.read("user", "may"))) == 20


def test_a_half_written_partition_is_refused_by_name(url: str, warehouse: Warehouse) -> None:
    warehouse.write_run(MAY, {"user": batches(made_up(5, 4, seed=1))})
    execute(url, "DELETE FROM user_vectors WHERE id = 'id 3'")
    with pytest.raises(PartitionError, match=r"the user vectors of run 'may' .* are half-written"):
        warehouse.neighbours("user", "id 1")
