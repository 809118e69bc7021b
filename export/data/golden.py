"""Golden rows: the recorded and malformed requests on which every hop is verified.

A row is a request of a client: feature name -> str or None, int, float or None, list of str, list of float or None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export.errors import RepositoryError
from preprocessing.schema import FIRST_KNOWN_ID, UNKNOWN_TEXT, Feature, FittedSchema, Sequence
from stage.parquet import read_columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

RECORDED = 48
NON_FINITE = (-5.0, -math.inf, math.inf, math.nan)
"""Numbers that are not finite or whose log(1 + x) is not."""
UNICODE = UNKNOWN_TEXT


def golden_rows(data: str | Path, fitted: FittedSchema) -> list[Row]:
    """Return malformed rows, the first without nulls; evenly spaced recorded rows; rows with non-finite numbers."""
    features = fitted.schema_.request_features
    recorded = recorded_rows(data, features, RECORDED)
    known = read_item_ids(data)[FIRST_KNOWN_ID:]
    generator = np.random.default_rng(0)

    def ugly(base: Row, items: Any) -> Row:
        return {f.name: items(f) if isinstance(f, Sequence) else base[f.name] for f in features}

    def some(count: int) -> list[str]:
        return [known[place] for place in generator.integers(len(known), size=count)]

    unknown, nothing = unknown_row(features), null_row(features)
    extreme = {feature.name: feature.edges.extreme for feature in features}
    non_finite = [{f.name: _number(f, value) for f in features if f.request.dtype == "float32"} for value in NON_FINITE]
    first, last = recorded[0], recorded[-1]
    return [
        unknown,
        nothing,
        extreme,
        ugly(first, lambda _: []),
        ugly(first, lambda f: some(f.max_length)),
        ugly(last, lambda f: some(f.max_length + 50)),
        ugly(nothing, lambda f: some(f.max_length + 1)),
        ugly(last, lambda _: ["", *some(2), "", "", *some(1), ""]),
        ugly(first, lambda _: some(1) * 5 + some(1)),
        ugly(first, lambda _: [UNICODE, *some(2), UNICODE]),
        ugly(last, lambda f: ["never seen"] * f.max_length),
        ugly(nothing, lambda _: some(1)),
        *recorded,
        *({**first, **each} for each in non_finite),
    ]


def unknown_row(features: tuple[Feature, ...]) -> Row:
    """Return a request of values that no fit has seen, without nulls."""
    return {feature.name: feature.edges.unknown for feature in features}


def null_row(features: tuple[Feature, ...]) -> Row:
    """Return a request of nulls, with 0 for ints, which have no null."""
    return {feature.name: feature.edges.null for feature in features}


def recorded_rows(data: str | Path, features: tuple[Feature, ...], most: int) -> list[Row]:
    """Return at most `most` evenly spaced rows of the validation split, of another split if it has none."""
    import pyarrow as pa

    for split in ("validation", "test", "train"):
        files = sorted((Path(data) / "requests" / split).glob("week=*/*.parquet"))
        if files:
            names = [feature.name for feature in features]
            table = pa.concat_tables([read_columns(file, names) for file in files])
            count = min(most, table.num_rows)
            rows: list[Row] = table.take([i * table.num_rows // count for i in range(count)]).to_pylist()
            return rows
    raise RepositoryError(f"no requests in {data}: give the output folder of `preprocessing fit`")


def read_item_ids(data: str | Path) -> list[str]:
    """Return the raw id of every encoded id, "" for special ids, from `item_index.parquet`."""
    ids: list[str] = read_columns(Path(data) / "item_index.parquet", ["item_id"])["item_id"].to_pylist()
    return ids


def _number(feature: Feature, value: float) -> Any:
    return [value] * feature.request.length if feature.request.form == "vector" else value


def request_tensors(features: tuple[Feature, ...], rows: Rows[Row]) -> Arrays:
    """Return the tensors that a client sends for rows: [B, 1], [B, dim], sequences [B, longest of them, at least 1]."""
    return {feature.name: _request_tensor(feature, [row[feature.name] for row in rows]) for feature in features}


def _request_tensor(feature: Feature, values: list[Any]) -> NDArray[Any]:
    match feature.request.form, feature.request.dtype:
        case "list", _:
            lists = [value or [] for value in values]
            width = max(1, *map(len, lists))
            padded = [[(item or "").encode() for item in each] + [b""] * (width - len(each)) for each in lists]
            return np.array(padded, dtype=np.object_).reshape(len(values), width)
        case "vector", _:
            null = [0.0] * feature.request.length
            return np.array([null if value is None else value for value in values], dtype=np.float32)
        case _, "float32":
            return np.array([[np.nan if value is None else value] for value in values], dtype=np.float32)
        case _, "int64":
            return np.array([[value] for value in values], dtype=np.int64)
    return np.array([[(value or "").encode()] for value in values], dtype=np.object_)


def workflow_frame(features: tuple[Feature, ...], rows: Rows[Row]) -> pd.DataFrame:
    """Return rows in the form for `preprocessing.workflow.transform`."""
    import pandas as pd

    return pd.DataFrame({feature.name: [row[feature.name] for row in rows] for feature in features})


def arrow_schema(features: tuple[Feature, ...]) -> pa.Schema:
    """Return the Parquet columns of rows."""
    import pyarrow as pa

    return pa.schema([(feature.name, feature.arrow()) for feature in features])
