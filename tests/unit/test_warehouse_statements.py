"""The SQL of every warehouse parses in its own dialect, and BigQuery's says what BigQuery alone would tell."""

from datetime import UTC, datetime

import pytest
import sqlglot

from warehouse.address import table_address, warehouse_address
from warehouse.dialects import BIGQUERY, DUCKDB, POSTGRES_ARRAY, POSTGRES_VECTOR, Dialect
from warehouse.errors import AddressError
from warehouse.partition import Partition
from warehouse.sessions.bigquery import script
from warehouse.statements import Statements

NOW = datetime(2024, 5, 1, tzinfo=UTC)
PARTITIONS = [Partition("shop", "l'été", "r1", kind, NOW, 3, 64, "00ff") for kind in ("user", "item")]
STAGING = {"user": "staging_user", "item": "staging_item"}


def everything(sql: Statements) -> list[str]:
    return [
        *sql.create(),
        sql.create_staging("staging_user"),
        sql.doubled_ids("staging_user"),
        sql.rows_of_run("shop", "l'été"),
        *sql.publish(PARTITIONS, STAGING),
        sql.manifest(),
        sql.measured("user"),
        sql.vectors("item", "shop", "l'été"),
        sql.ids("item", "shop", "l'été", "a\\'b"),
        sql.neighbours("item", "shop", "l'été", "a\\'b", 10),
        sql.drift("user", ("shop", "may"), ("shop", "june"), None, 10),
        sql.drift("user", ("shop", "may"), ("shop", "june"), "ann", 1),
    ]


@pytest.mark.parametrize("dialect", [DUCKDB, POSTGRES_VECTOR, POSTGRES_ARRAY, BIGQUERY])
def test_every_statement_is_one_of_its_dialect(dialect: Dialect) -> None:
    for sql in everything(Statements(dialect)):
        (parsed,) = sqlglot.parse(sql, dialect=dialect.name, error_level=sqlglot.ErrorLevel.RAISE)
        assert parsed is not None
        assert not isinstance(parsed, sqlglot.exp.Command), sql


def test_bigquery_says_tables_types_and_distance_in_its_own_way() -> None:
    sql = Statements(BIGQUERY, ("my-project", "embeddings"))
    users = sql.create()[0]
    assert users.startswith("CREATE TABLE IF NOT EXISTS `my-project`.`embeddings`.`user_vectors` (id STRING, ")
    assert users.endswith(
        "vector ARRAY<FLOAT64>, experiment STRING, run STRING, release STRING, "
        "created_at TIMESTAMP) CLUSTER BY experiment, run"
    )
    near = sql.neighbours("item", "shop", "l'été", "milk", 10)
    assert "ML.DISTANCE(other.vector, probe.vector, 'COSINE') AS distance" in near
    assert r"experiment = 'shop' AND run = 'l\'été'" in near
    assert near.endswith("ORDER BY distance, id LIMIT 10")
    assert "min(ARRAY_LENGTH(vector))" in sql.measured("item")
    assert "INTERVAL 1 DAY" in sql.create_staging("staging")


def test_bigquery_publishes_a_run_in_one_transaction() -> None:
    sql = script(Statements(BIGQUERY, ("my-project", "embeddings")).publish(PARTITIONS, STAGING))
    parsed = sqlglot.parse(sql.rstrip(";"), dialect="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
    kinds = [type(each).__name__ for each in parsed]
    assert kinds == ["Transaction", *["Delete"] * 3, *["Insert"] * 4, "Commit"]
    assert "CAST('2024-05-01T00:00:00.000000+00:00' AS TIMESTAMP)" in sql
    assert "SELECT id, vector, 'shop', 'l\\'été', 'r1', " in sql


def test_pgvector_compares_with_its_operator() -> None:
    sql = Statements(POSTGRES_VECTOR)
    assert "(other.vector <=> probe.vector) AS distance" in sql.neighbours("item", "shop", "may", "milk", 10)
    assert "vector::real[] AS vector" in sql.vectors("item", "shop", "may")
    assert "id TEXT, vector vector," in sql.create()[0]


@pytest.mark.parametrize(
    ("url", "kind", "path"),
    [
        ("history.duckdb", "duckdb", "history.duckdb"),
        ("duckdb:///data/history.duckdb", "duckdb", "/data/history.duckdb"),
        ("duckdb://data/history.duckdb", "duckdb", "data/history.duckdb"),
        ("postgresql://ann@host:5432/db", "postgres", "ann@host:5432/db"),
        ("bigquery://project/dataset", "bigquery", "project/dataset"),
    ],
)
def test_a_url_names_a_warehouse_and_with_one_part_more_a_table(url: str, kind: str, path: str) -> None:
    address = warehouse_address(url)
    assert (address.kind, address.path) == (kind, path)
    assert table_address(f"{url}/log") == (address, "log")


def test_a_password_is_not_shown() -> None:
    address = warehouse_address("postgres://ann:secret@host/db?password=secret")
    assert address.url == "postgres://ann:secret@host/db?password=secret"
    assert str(address) == "postgres://ann@host/db"


@pytest.mark.parametrize("url", ["", "duckdb://", "postgres://host", "bigquery://project", "://x"])
def test_a_url_that_names_no_warehouse_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match=r"names no (warehouse|database|dataset), give duckdb:///FILE"):
        warehouse_address(url)


@pytest.mark.parametrize("url", ["duckdb://log", "duckdb:///log", "postgres://host/db", "bigquery://project/dataset"])
def test_a_url_that_names_no_table_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="names no table, give the URL of the warehouse followed by /TABLE"):
        table_address(url)
