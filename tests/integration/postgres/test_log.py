"""A log in a real PostgreSQL is read as its file, pgvector's columns included."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from preprocessing.log.errors import LogError
from preprocessing.log.read import read_log
from preprocessing.schema import load_schema
from tests.integration.postgres.server import connect, execute
from tests.synthetic import write_log
from warehouse.address import warehouse_address
from warehouse.errors import ConnectionRefused, TableError
from warehouse.log_source import open_source


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
        with connect(f"{server}/logs") as connection:
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
