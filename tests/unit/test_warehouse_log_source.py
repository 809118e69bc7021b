"""A log in a DuckDB table equals the log in the Parquet file; a missing table or column gives one line."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from preprocessing.changes import Changes
from preprocessing.log.errors import LogError
from preprocessing.log.read import Source, read_log
from preprocessing.schema import load_schema, schema_path
from tests.synthetic import write_log
from warehouse.address import warehouse_address
from warehouse.errors import AddressError, ConnectionRefused, TableError
from warehouse.log_source import open_source


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


CARRIED = [
    ("1.25::DECIMAL(9, 2)", pa.decimal128(9, 2), Decimal("1.25")),
    ("12345678901234567890123456789012345678::DECIMAL(38, 0)", None, Decimal("12345678901234567890123456789012345678")),
    ("340282366920938463463374607431768211455::UHUGEINT", pa.string(), "340282366920938463463374607431768211455"),
    ("'-170141183460469231731687303715884105727'::HUGEINT", pa.string(), "-170141183460469231731687303715884105727"),
    ("9007199254740993::BIGINT", pa.int64(), 9007199254740993),
    ("'b'::ENUM('a', 'b')", pa.dictionary(pa.uint8(), pa.string()), "b"),
    ("'b4e0cd3e-d8ad-4ff0-8ba1-d2d0ee8b1f6d'::UUID", pa.string(), "b4e0cd3e-d8ad-4ff0-8ba1-d2d0ee8b1f6d"),
    ("'ab'::BLOB", pa.binary(), b"ab"),
    ("'101'::BIT", pa.string(), "101"),
    ("'10:00:00+02'::TIMETZ", pa.string(), "10:00:00+02"),
    ("'123'::BIGNUM", pa.string(), "123"),
    ("[1.5, NULL]::FLOAT[]", pa.list_(pa.field("l", pa.float32())), [1.5, None]),
]


@pytest.mark.parametrize(("sql", "kind", "value"), CARRIED)
def test_columns_come_in_their_own_types_and_nothing_through_a_float(
    sql: str, kind: pa.DataType, value: object, tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute(f'CREATE TABLE t AS SELECT {sql} AS "an id", INTERVAL 1 DAY AS unread')
    with open_source(warehouse_address(str(tmp_path / "d.duckdb"))) as source:
        assert source.columns("t") == ["an id", "unread"]
        read = source.read("t", ["an id"], [])
    assert read.to_pydict() == {"an id": [value]}
    assert kind in (None, read.schema.field("an id").type)


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("INTERVAL 1 DAY", "is INTERVAL"),
        ("union_value(a := 1)", r"is UNION\(a INTEGER\)"),
        ("1::VARIANT", "is VARIANT"),
        ("[INTERVAL 1 DAY]", r"is INTERVAL\[\]"),
        ("[1::HUGEINT]", r"is HUGEINT\[\]"),
        ("{'a': INTERVAL 1 DAY}", r"is STRUCT\(a INTERVAL\)"),
    ],
)
def test_a_type_that_arrow_does_not_carry_is_named_with_its_table_and_column(
    sql: str, shown: str, tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT 'a' AS id, {sql} AS odd")
    with (
        open_source(warehouse_address(str(tmp_path / "d.duckdb"))) as source,
        pytest.raises(TableError, match=rf"table 't': column 'odd' {shown}: read a view that casts it, as CAST\(odd"),
    ):
        source.read("t", ["id", "odd"], [])


def test_a_value_that_a_view_cannot_give_is_named_by_its_column(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("CREATE TABLE gone AS SELECT 'x' AS id")
        connection.execute("CREATE VIEW broken AS FROM gone")
        connection.execute("DROP TABLE gone")
        connection.execute("CREATE VIEW v AS SELECT id, CAST(id AS INT) AS number FROM (VALUES ('x')) AS t(id)")
    with open_source(warehouse_address(str(tmp_path / "d.duckdb"))) as source:
        with pytest.raises(TableError, match=r"column 'number' \(INTEGER\) cannot be read: Conversion Error: .* cast"):
            source.read("v", ["id", "number"], [])
        with pytest.raises(TableError, match=r"table 'broken' cannot be read \(Catalog Error: .*gone does not exist!"):
            source.columns("broken")
        with pytest.raises(TableError, match=r"no table 'raw\.v' in .*d\.duckdb: give one of broken, v"):
            source.columns("raw.v")


def test_what_a_warehouse_lacks_is_named(log: Path, tmp_path: Path) -> None:
    schema = load_schema(log / "schema.toml")
    file = f"duckdb://{log / 'log.duckdb'}"
    with pytest.raises(TableError, match=r"no table 'gone' in duckdb://.*log\.duckdb: give one of interactions, items"):
        read_log(schema, f"{file}/gone")
    with pytest.raises(LogError, match="no column 'sku' in table interactions: the columns are user, session, time, "):
        read_log(schema.changed(Changes(columns="item=sku")), f"{file}/interactions")
    with pytest.raises(AddressError, match="no such file"):
        read_log(schema, f"duckdb://{tmp_path}/gone.duckdb/interactions")
    with pytest.raises(ConnectionRefused, match=r"postgres://ann@127\.0\.0\.1:1/shop: .*refused"):
        read_log(schema, "postgres://ann:secret@127.0.0.1:1/shop/interactions")


def test_a_table_in_a_file_stands_in_for_the_warehouses(log: Path, tmp_path: Path) -> None:
    schema = load_schema(log / "schema.toml")
    items = pd.read_parquet(log / "items.parquet").assign(title="of the file")
    items.to_parquet(tmp_path / "items.parquet", index=False)
    source = Source(f"duckdb://{log / 'log.duckdb'}/interactions", items=tmp_path / "items.parquet")
    assert set(read_log(schema, source).items["title"]) == {"of the file"}
    with pytest.raises(LogError, match=r"gone\.parquet: no such file"):
        read_log(schema, replace(source, items=tmp_path / "gone.parquet"))


def test_an_enum_with_nulls_is_a_category(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "e.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE log AS SELECT 'u' || i % 2 AS user, 'p' || i AS item, "
            "TIMESTAMP '2024-01-01' + to_days(i::INT) AS time, "
            "CASE WHEN i % 3 = 0 THEN 'web' END::ENUM('web', 'shop') AS channel FROM range(6) t(i)"
        )
    features = "[[features]]\nname = 'channel'\nkind = 'categorical'\nside = 'context'\n"
    generic = schema_path("generic").read_text(encoding="utf-8")
    (tmp_path / "schema.toml").write_text(generic + features, encoding="utf-8")
    read = read_log(load_schema(tmp_path / "schema.toml"), f"duckdb://{tmp_path}/e.duckdb/log")
    assert sorted(read.sessions["channel"].fillna("").tolist()) == ["", "", "", "", "web", "web"]
