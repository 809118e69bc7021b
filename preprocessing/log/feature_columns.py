"""Columns of features, converted to the type of the feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.features import Feature
from preprocessing.log.errors import LogError
from preprocessing.log.numbers import numbers, whole_numbers
from preprocessing.log.texts import texts
from preprocessing.log_layout import Log

if TYPE_CHECKING:
    import pandas as pd

Column = np.ndarray[Any, np.dtype[Any]]


def feature_column(feature: Feature, raw: pa.ChunkedArray, log: Log, what: str) -> pd.Series[Any]:
    """Return a feature's values in its type: strings with None, float64 with NaN, int64, lists of floats with None.

    what: the name of the table in an error, such as "the log".
    """
    import pandas as pd

    name = feature.raw_column
    match feature.request.form, feature.request.dtype:
        case "scalar", "float32":
            values = numbers(raw, name, log)
            nulls = int(np.isnan(values).sum())
            read = pd.Series(values)
        case "vector", _:
            read = _vectors(raw, feature)
            nulls = int(read.isna().sum())
        case _, "int64":
            return pd.Series(_whole_number_feature(raw, feature, log))
        case _:
            if feature.is_split and pa.types.is_list(raw.type) and pa.types.is_string(raw.type.value_type):
                raw = pc.binary_join(raw, getattr(feature, "separator", None) or " ")
            read = pd.Series(texts(raw, name, log).objects(), dtype=object)
            if feature.is_split:
                read = read.where(read.str.strip() != "", None)
            nulls = int(read.isna().sum())
    if nulls == len(read):
        raise LogError(f"column {name!r} of {what} is all null: drop the feature {feature.name!r} from the schema")
    return read


def _whole_number_feature(raw: pa.ChunkedArray, feature: Feature, log: Log) -> Column:
    name, remedy = feature.raw_column, f"say dtype = 'string' for {feature.name!r}"
    if pa.types.is_floating(raw.type):
        nulls = raw.null_count + (pc.sum(pc.is_nan(raw)).as_py() or 0)
        what = f"has {nulls} nulls" if nulls else f"is {raw.type}"
        raise LogError(f"column {name!r} {what}, {feature.name!r} is dtype 'int': {remedy}")
    try:
        column = whole_numbers(raw, name, log)
    except LogError as error:
        raise LogError(f"{error}; or {remedy}") from None
    if column.null_count:
        raise LogError(f"column {name!r} has {column.null_count} nulls, {feature.name!r} is dtype 'int': {remedy}")
    values: Column = column.to_numpy()
    return values


def _vectors(column: pa.ChunkedArray, feature: Feature) -> pd.Series[Any]:
    import pandas as pd

    dim, out = feature.request.length, np.full(len(column), None, dtype=object)
    for place, value in enumerate(column.to_pylist()):
        if value is None:
            continue
        try:
            vector = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            vector = np.empty(0, dtype=np.float32)
        if vector.shape != (dim,) or not np.isfinite(vector).all():
            raise LogError(
                f"column {feature.raw_column!r} holds {str(value)[:60]!r}, "
                f"expected vectors of dim = {dim} finite numbers: clean the column or correct the schema's dim"
            )
        out[place] = vector
    return pd.Series(out, dtype=object)
