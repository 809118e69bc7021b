"""A log in a DuckDB table is the log in the Parquet file; what is missing there is one line."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from preprocessing.log.errors import LogError
from preprocessing.log.read import read_log
from preprocessing.schema import load_schema
from tests.synthetic import write_log
from warehouse.errors import AddressError, ConnectionRefused, TableError


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic log's folder, with the same tables in `log.duckdb` beside the files."""
    folder = write_log(tmp_path_factory.mktemp("logs") / "log")
    with duckdb.connect(str(folder / "log.duckdb")) as connection:
        for name in ("interactions", "users", "items"):
            connection.execute(f"CREATE TABLE {name} AS FROM read_parquet('{folder / name}.parquet')")
        connection.execute("CREATE SCHEMA raw")
        for name in ("interactions", "users", "items"):
            connection.execute(f"CREATE TABLE raw.{name} AS FROM {name}")
    return folder


@pytest.mark.parametrize("table", ["interactions", "raw.interactions"])
def test_a_table_and_a_file_of_one_log_are_read_alike(table: str, log: Path) -> None:
    schema = load_schema(log / "schema.toml")
    from_file, from_table = read_log(schema, log), read_log(schema, f"duckdb://{log / 'log.duckdb'}/{table}")
    for name in ("interactions", "sessions", "users", "items"):
        pd.testing.assert_frame_equal(getattr(from_file, name), getattr(from_table, name))


def test_decimals_are_numbers(tmp_path: Path) -> None:
    from warehouse.address import warehouse_address
    from warehouse.log_source import open_source

    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.25::DECIMAL(9, 2) AS amount, 'a' AS id")
    with open_source(warehouse_address(str(tmp_path / "d.duckdb"))) as source:
        assert source.read("t", ["amount"], []).to_pydict() == {"amount": [1.25]}


def test_what_a_warehouse_lacks_is_named(log: Path, tmp_path: Path) -> None:
    schema = load_schema(log / "schema.toml")
    file = f"duckdb://{log / 'log.duckdb'}"
    with pytest.raises(TableError, match=r"no table 'gone' in duckdb://.*log\.duckdb: give the name of one"):
        read_log(schema, f"{file}/gone")
    with pytest.raises(LogError, match="no column 'sku' in table interactions: the columns are user, session, time, "):
        read_log(schema.with_columns("item=sku"), f"{file}/interactions")
    with pytest.raises(AddressError, match="no such file"):
        read_log(schema, f"duckdb://{tmp_path}/gone.duckdb/interactions")
    with pytest.raises(ConnectionRefused, match=r"postgres://ann@127\.0\.0\.1:1/shop: .*refused"):
        read_log(schema, "postgres://ann:secret@127.0.0.1:1/shop/interactions")
