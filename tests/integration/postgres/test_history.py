"""The history of embeddings in a real PostgreSQL: pgvector, and arrays where a writer may not make it."""

from pathlib import Path

import numpy as np
import pytest

from tests.integration.postgres.server import execute
from tests.vectors import batches, by_id, made_up
from warehouse.dialects import POSTGRES_ARRAY
from warehouse.errors import VectorError
from warehouse.history import Warehouse, open_warehouse
from warehouse.partition import Run
from warehouse.statements import Statements

MAY, JUNE = Run("shop", "may", "r1"), Run("shop", "june", "r2")


def test_a_run_comes_back_as_it_was_written(warehouse: Warehouse) -> None:
    users, items = made_up(300, 64, seed=1), {"用户 'a\\": np.ones(64, dtype=np.float32), **made_up(9, 64, seed=2)}
    warehouse.write_run(MAY, {"user": batches(users, 70), "item": batches(items)})
    assert [(each.kind, each.vectors, each.width, whole) for each, whole in warehouse.partitions()] == [
        ("item", 10, 64, True),
        ("user", 300, 64, True),
    ]
    for kind, vectors in (("user", users), ("item", items)):
        read = by_id(warehouse.read(kind, "may", width=64, batch_rows=50))
        assert {id_: row.tobytes() for id_, row in read.items()} == {i: row.tobytes() for i, row in vectors.items()}


def test_vectors_are_kept_as_the_writer_may(with_pgvector: str, without_pgvector: str) -> None:
    for url, expected in ((with_pgvector, "vector"), (without_pgvector, "real[]")):
        with open_warehouse(url) as warehouse:
            warehouse.write_run(MAY, {"item": batches(made_up(3, 4, seed=1))})
        assert kept_as(url, "item_vectors") == expected


def kept_as(url: str, table: str) -> str:
    """The type of a table's vectors."""
    return str(execute(url, f"SELECT pg_typeof(vector)::text FROM {table} LIMIT 1")[0][0])


def test_tables_that_stand_keep_their_type_when_the_extension_comes(with_pgvector: str) -> None:
    vectors = made_up(5, 4, seed=1)
    execute(with_pgvector, *Statements(POSTGRES_ARRAY).create(), "CREATE EXTENSION vector")
    with open_warehouse(with_pgvector) as warehouse:
        warehouse.write_run(MAY, {"item": batches(vectors)})
        assert by_id(warehouse.read("item", "may"))["id 3"].tobytes() == vectors["id 3"].tobytes()
    assert kept_as(with_pgvector, "item_vectors") == "real[]"


def test_a_schema_of_its_own_uses_the_extension_of_another(with_pgvector: str) -> None:
    vectors = made_up(40, 8, seed=1)
    execute(with_pgvector, 'CREATE SCHEMA "of all"', 'CREATE EXTENSION vector SCHEMA "of all"', "CREATE SCHEMA history")
    with open_warehouse(f"{with_pgvector}/history") as warehouse:
        warehouse.write_run(MAY, {"item": batches(vectors)})
    with open_warehouse(f"{with_pgvector}/history") as warehouse:
        assert by_id(warehouse.read("item", "may"))["id 3"].tobytes() == vectors["id 3"].tobytes()
        assert len(warehouse.neighbours("item", "id 5", 7)) == 7
        assert warehouse.drift("item", "id 5", "may", "may").distance == pytest.approx(0, abs=1e-6)
    assert kept_as(with_pgvector, "history.item_vectors").endswith("vector")


def test_vectors_wider_than_pgvector_keeps_are_refused_by_the_width(with_pgvector: str) -> None:
    with open_warehouse(with_pgvector) as warehouse:
        with pytest.raises(VectorError, match="16001 wide, pgvector stores at most 16000"):
            warehouse.write_run(MAY, {"item": batches(made_up(2, 16_001, seed=1))})
        warehouse.write_run(MAY, {"item": batches(made_up(2, 16_000, seed=1))})
        assert [whole for _, whole in warehouse.partitions()] == [True]


def test_duckdb_answers_the_same(warehouse: Warehouse, tmp_path: Path) -> None:
    runs = [(MAY, {**made_up(80, 16, seed=1), "zero": np.zeros(16, dtype=np.float32)}), (JUNE, made_up(70, 16, seed=2))]
    with open_warehouse(str(tmp_path / "history.duckdb")) as other:
        for run, vectors in runs:
            for each in (warehouse, other):
                each.write_run(run, {"item": batches(vectors)})
        for run in ("may", "june"):
            near, expected = (each.neighbours("item", "id 5", 7, run) for each in (warehouse, other))
            assert [one.id for one in near] == [one.id for one in expected]
            assert [one.distance for one in near] == pytest.approx([one.distance for one in expected], abs=1e-5)
        moved, expected_ = (each.drift("item", "id 5", "may", "june") for each in (warehouse, other))
        assert moved.distance == pytest.approx(expected_.distance, abs=1e-5)
        assert [one.id for one in moved.most] == [one.id for one in expected_.most]
        assert warehouse.neighbours("item", "zero", run="may") == []
