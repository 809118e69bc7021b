"""The history of embeddings and a log in a real PostgreSQL: pgvector, and arrays where a writer may not make it.

`export embeddings` writes there as into a DuckDB file.
"""

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest

from export.embeddings import export_embeddings
from export.golden import read_item_ids
from preprocessing.log_columns import LogError
from preprocessing.readers import read_log
from preprocessing.schema import load_schema
from tests import two_tower
from tests.integration.postgres_server import Binaries, NoPostgres, bring_postgres, postgres_server
from tests.synthetic import write_log
from tests.vectors import batches, by_id, made_up
from warehouse.address import warehouse_address
from warehouse.dialects import POSTGRES_ARRAY
from warehouse.errors import ConnectionRefused, PartitionError, TableError, VectorError
from warehouse.history import Warehouse, open_warehouse
from warehouse.log_source import open_source
from warehouse.partition import Run
from warehouse.statements import Statements

MAY, JUNE = Run("shop", "may", "r1"), Run("shop", "june", "r2")


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    try:
        return bring_postgres()
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def server(binaries: Binaries) -> Iterator[str]:
    with postgres_server(binaries) as url:
        yield url


@pytest.fixture
def with_pgvector(binaries: Binaries, server: str) -> str:
    """The URL of an empty database whose owner may make the extension."""
    if binaries.without_pgvector:
        pytest.skip(binaries.without_pgvector)
    return empty_database(server)


@pytest.fixture
def without_pgvector(server: str) -> str:
    """The URL of an empty database, and of a user who may create tables and nothing else."""
    url = empty_database(server)
    user = f"writer_{secrets.token_hex(4)}"
    execute(url, f"CREATE USER {user} PASSWORD 'secret'", f"GRANT CREATE ON SCHEMA public TO {user}")
    return f"postgres://{user}:secret@{url.rpartition('@')[2]}"


@pytest.fixture(params=["real[]", "pgvector"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database whose vectors are kept as the parameter says."""
    fixture = "with_pgvector" if request.param == "pgvector" else "without_pgvector"
    return str(request.getfixturevalue(fixture))


def empty_database(server: str) -> str:
    name = f"history_{secrets.token_hex(4)}"
    execute(f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements; the last one's rows."""
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        for sql in statements:
            last = connection.execute(sql)
        return last.fetchall() if last.description else []


def kept_as(url: str, table: str) -> str:
    """The type of a table's vectors."""
    return str(execute(url, f"SELECT pg_typeof(vector)::text FROM {table} LIMIT 1")[0][0])


@pytest.fixture
def warehouse(url: str) -> Iterator[Warehouse]:
    with open_warehouse(url) as opened:
        yield opened


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

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert failures == []
    with open_warehouse(url) as warehouse:
        assert [whole for _, whole in warehouse.partitions()] == [True] * 4


def test_vectors_wider_than_pgvector_keeps_are_refused_by_the_width(with_pgvector: str) -> None:
    with open_warehouse(with_pgvector) as warehouse:
        with pytest.raises(VectorError, match="16001 wide, pgvector keeps at most 16000"):
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


def test_a_write_that_fails_leaves_the_earlier_partitions_whole(warehouse: Warehouse) -> None:
    one = made_up(50, 4, seed=1)
    warehouse.write_run(MAY, {"user": batches(one), "item": batches(one)})
    before = warehouse.partitions()

    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(made_up(50, 4, seed=2))
        raise RuntimeError("the encoder broke")

    with pytest.raises(RuntimeError, match="the encoder broke"):
        warehouse.write_run(MAY, {"user": batches(one), "item": failing()}, overwrite=True)
    with pytest.raises(VectorError, match="stands 2 times"):
        warehouse.write_run(JUNE, {"user": [*batches(one), *batches(one)]})
    with pytest.raises(PartitionError, match="is there already"):
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
    writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert sorted(outcomes) == ["refused", "written"]
    with open_warehouse(url) as warehouse:
        assert len(by_id(warehouse.read("user", "may"))) == 20


def test_a_half_written_partition_is_refused_by_name(url: str, warehouse: Warehouse) -> None:
    warehouse.write_run(MAY, {"user": batches(made_up(5, 4, seed=1))})
    execute(url, "DELETE FROM user_vectors WHERE id = 'id 3'")
    with pytest.raises(PartitionError, match=r"the user vectors of run 'may' .* are half-written"):
        warehouse.neighbours("user", "id 1")


def test_embeddings_are_exported_into_it(url: str, compiled_data: Path) -> None:
    folder = two_tower.repository(compiled_data, "onnx", "exact")
    for run in ("may", "june"):
        told = export_embeddings(folder, compiled_data, url, run=run)
    assert told["output"] == str(warehouse_address(url))
    items, expected = read_item_ids(compiled_data)[3:], np.load(folder / "item_vectors.npy")[3:]
    with open_warehouse(url) as warehouse:
        assert [(each.run, each.kind, each.vectors, whole) for each, whole in warehouse.partitions()] == [
            (run, kind, told[f"{kind}s"], True) for run in ("may", "june") for kind in ("item", "user")
        ]
        read = by_id(warehouse.read("item", "june"))
        assert [read[item].tobytes() for item in items] == [row.tobytes() for row in expected]
        assert len(warehouse.neighbours("item", items[0], 3)) == 3
        assert warehouse.drift("user", None, "may", "june").most[0].distance == pytest.approx(0, abs=1e-6)
        before = warehouse.partitions()
        with pytest.raises(PartitionError, match=r"run 'may' .* is there already"):
            export_embeddings(folder, compiled_data, url, run="may")
        assert warehouse.partitions() == before


def test_a_tables_pgvector_column_is_read_as_lists_of_floats(with_pgvector: str) -> None:
    execute(
        with_pgvector,
        "CREATE EXTENSION vector",
        "CREATE TABLE items (item text, about vector(2))",
        "INSERT INTO items VALUES ('milk', '[1, -2.5]'), ('salt', NULL)",
    )
    with open_source(warehouse_address(with_pgvector)) as source:
        read = source.read("items", ["item", "about"], ["item"])
    assert read.schema.field("about").type == pa.list_(pa.float32())
    assert read.to_pydict() == {"item": ["milk", "salt"], "about": [[1, -2.5], None]}


def test_a_log_in_postgres_is_read_as_its_file(server: str, tmp_path: Path) -> None:
    import duckdb

    folder = write_log(tmp_path / "log")
    execute(f"{server}/postgres", "CREATE DATABASE logs")
    execute(f"{server}/logs", "CREATE SCHEMA raw")
    for name in ("interactions", "users", "items"):
        with duckdb.connect() as connection:
            rows = connection.execute(f"FROM read_parquet('{folder / name}.parquet')")
            columns = {column[0]: str(column[1]) for column in rows.description}
            values = rows.fetchall()
        types = {"DOUBLE": "float8", "TIMESTAMP_NS": "timestamp", "TIMESTAMP": "timestamp", "BIGINT": "int8"}
        names = ", ".join(
            f'"{column}" {"float8[]" if "[]" in type_ or "list" in type_.lower() else types.get(type_, "text")}'
            for column, type_ in columns.items()
        )
        with psycopg.connect(f"{server.replace('postgres://', 'postgresql://')}/logs", autocommit=True) as connection:
            connection.execute(f"CREATE TABLE raw.{name} ({names})")
            marks = ", ".join(["%s"] * len(columns))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO raw.{name} VALUES ({marks})", values)
    schema = load_schema(folder / "schema.toml")
    from_file = read_log(schema, folder)
    for source in (f"{server}/logs/raw.interactions", f"{server}/logs/raw/interactions"):
        from_table = read_log(schema, source)
        pd.testing.assert_frame_equal(from_file.sessions, from_table.sessions)
        pd.testing.assert_frame_equal(from_file.users, from_table.users)
        pd.testing.assert_frame_equal(from_file.items, from_table.items)
        by = ["session", "item"]
        left, right = (read.interactions.sort_values(by).reset_index(drop=True) for read in (from_file, from_table))
        pd.testing.assert_frame_equal(left, right)
    with pytest.raises(LogError, match=r"no column 'sku' in table raw\.interactions: the columns are user, session"):
        read_log(schema.with_columns("item=sku"), f"{server}/logs/raw.interactions")
    with pytest.raises(TableError, match="no table 'gone' in postgres://naiad@127"):
        read_log(schema, f"{server}/logs/gone")
    with pytest.raises(ConnectionRefused, match='database "nowhere" does not exist'):
        read_log(schema, f"{server}/nowhere/gone")
