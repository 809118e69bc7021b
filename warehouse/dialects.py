"""The SQL of the vector tables that differs between warehouses; everything else is the same text."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Dialect:
    """`name` is sqlglot's. Templates take columns: `distance` {a} and {b}, `width` and `floats` {v}, `cluster` none.

    distance: cosine, 0 … 2, NaN or null if a vector is all zeros. floats: the vector as an array of floats.
    """

    name: str
    text: str
    whole: str
    instant: str
    vector: str
    distance: str
    width: str
    floats: str = "{v}"
    cluster: str = ""
    staging: str = "CREATE TEMP TABLE {table} ({columns})"


DUCKDB = Dialect(
    name="duckdb",
    text="VARCHAR",
    whole="BIGINT",
    instant="TIMESTAMPTZ",
    vector="FLOAT[]",
    distance="list_cosine_distance({a}, {b})",
    width="len({v})",
)

POSTGRES_VECTOR = Dialect(
    name="postgres",
    text="TEXT",
    whole="BIGINT",
    instant="TIMESTAMPTZ",
    vector="vector",
    distance="({a} <=> {b})",
    width="vector_dims({v})",
    floats="{v}::real[]",
)


def pgvector_in(schema: str) -> Dialect:
    """Return `POSTGRES_VECTOR` with qualified names, because the search path may lack the extension's schema."""
    return replace(
        POSTGRES_VECTOR,
        vector=f"{schema}.vector",
        distance=f"({{a}} OPERATOR({schema}.<=>) {{b}})",
        width=f"{schema}.vector_dims({{v}})",
    )


POSTGRES_ARRAY = Dialect(
    name="postgres",
    text="TEXT",
    whole="BIGINT",
    instant="TIMESTAMPTZ",
    vector="REAL[]",
    distance=(
        "(SELECT 1 - sum(x::float8 * y) / nullif(sqrt(sum(x::float8 * x)) * sqrt(sum(y::float8 * y)), 0)"
        " FROM unnest({a}, {b}) AS pair(x, y))"
    ),
    width="cardinality({v})",
)

# BigQuery partitions by time or integers only, so the tables are clustered by run; it has only FLOAT64.
BIGQUERY = Dialect(
    name="bigquery",
    text="STRING",
    whole="INT64",
    instant="TIMESTAMP",
    vector="ARRAY<FLOAT64>",
    distance="ML.DISTANCE({a}, {b}, 'COSINE')",
    width="ARRAY_LENGTH({v})",
    cluster=" CLUSTER BY experiment, run",
    staging=(
        "CREATE TABLE {table} ({columns})"
        " OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
    ),
)
