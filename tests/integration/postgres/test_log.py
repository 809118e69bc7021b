"""A log in a real PostgreSQL is read like its file, including pgvector's columns."""

from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from preprocessing.changes import Changes
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


def test_columns_come_as_they_are_stored_and_nothing_through_a_float(server: str) -> None:
    execute(f"{server}/postgres", "CREATE DATABASE types")
    columns = {
        "unbounded": ("numeric", "1e40 + 0.12345678901", "1" + "0" * 40 + ".12345678901"),
        "nan": ("numeric", "'NaN'", "NaN"),
        "price": ("numeric(10, 2)", "1.25", Decimal("1.25")),
        "big": ("bigint", "9007199254740993", 9007199254740993),
        "uuid": ("uuid", "'b4e0cd3e-d8ad-4ff0-8ba1-d2d0ee8b1f6d'", "b4e0cd3e-d8ad-4ff0-8ba1-d2d0ee8b1f6d"),
        "json": ("jsonb", "'{\"a\": 1}'", '{"a": 1}'),
        "bytes": ("bytea", "'\\xff00'", b"\xff\0"),
        "mood": ("mood", "'sad'", "sad"),
        "own": ("raw.mood", "'glad'", "glad"),
        "named": ("email", "'a@b'", "a@b"),
        "padded": ("char(4)", "'a'", "a"),
        "tags": ("text[]", "'{a,b}'", ["a", "b"]),
        "network": ("cidr", "'10.0.0.0/8'", "10.0.0.0/8"),
        "range": ("int4range", "'[1,2]'", "[1,3)"),
    }
    execute(
        f"{server}/types",
        *("CREATE SCHEMA raw", "CREATE TYPE mood AS ENUM ('sad')", "CREATE TYPE raw.mood AS ENUM ('glad')"),
        "CREATE DOMAIN email AS text",
        f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, (kind, _, _) in columns.items())})",
        f"INSERT INTO t VALUES ({', '.join(value for _, value, _ in columns.values())})",
        "CREATE TABLE odd (id int, span interval, place point, sum money, at timestamp)",
        "INSERT INTO odd VALUES (1, '1 day', '(1,2)', 1.5, 'infinity')",
    )
    with open_source(warehouse_address(f"{server}/types")) as source:
        read = source.read("t", list(columns), ["unbounded"])
        assert read.to_pylist() == [{name: value for name, (_, _, value) in columns.items()}]
        for name, reason in (
            ("span", "is interval"),
            ("place", "is point"),
            ("sum", r"\(decimal"),
            ("at", "too large"),
        ):
            with pytest.raises(TableError, match=rf"table 'odd': column '{name}' .*{reason}.*: read a view that casts"):
                source.read("odd", ["id", name], ["id"])


def test_rows_come_in_the_order_of_numbers_though_they_are_handed_over_as_text(server: str) -> None:
    execute(f"{server}/postgres", "CREATE DATABASE ordered")
    execute(f"{server}/ordered", "CREATE TABLE t (n numeric)", "INSERT INTO t VALUES (10), (9), (1e3)")
    with open_source(warehouse_address(f"{server}/ordered")) as source:
        assert source.read("t", ["n"], ["n"]).to_pydict() == {"n": ["9", "10", "1000"]}


def test_a_server_that_ends_the_session_is_one_line(server: str) -> None:
    execute(f"{server}/postgres", "CREATE DATABASE ending")
    execute(f"{server}/ending", "CREATE TABLE t (n int)")
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ending' AND pid <> pg_backend_pid()"
    )
    with open_source(warehouse_address(f"{server}/ending")) as source:
        assert source.columns("t") == ["n"]
        execute(f"{server}/ending", ended)
        with pytest.raises(TableError, match=r"table 't' cannot be read \(.*\): try again"):
            source.columns("t")


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
        read_log(schema.changed(Changes(columns="item=sku")), f"{server}/logs/raw.interactions")
    with pytest.raises(TableError, match="no table 'gone' in postgres://naiad@127"):
        read_log(schema, f"{server}/logs/gone")
    with pytest.raises(ConnectionRefused, match='database "nowhere" does not exist'):
        read_log(schema, f"{server}/nowhere/gone")
