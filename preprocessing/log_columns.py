"""Columns of a log, checked and made canonical: strings, numbers, whole numbers, vectors, times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Schema, SchemaError
from stage.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]


class LogError(BadInput):
    """The log cannot be used as it is; the message names the column and the remedy."""


def require_columns(frame: pd.DataFrame, what: str, columns: list[str]) -> None:
    """Refuse a `frame` (named `what`) that lacks one of `columns`."""
    for column in columns:
        if column not in frame.columns:
            raise LogError(
                f"no column {column!r} in {what}: the columns are {', '.join(map(str, frame.columns))}; "
                "name the right one in the schema or with --columns"
            )


def feature_column(feature: Feature, raw: pd.Series[Any], what: str) -> pd.Series[Any]:
    """The feature's values, of its own type: strings with None, float64 with NaN, int64, or lists of floats with None.

    what: the frame's name in an error, such as "the log".
    """
    name = feature.raw_column
    if raw.isna().all():
        raise LogError(f"column {name!r} of {what} is all null: drop the feature {feature.name!r} from the schema")
    if isinstance(feature, Numeric):
        return numbers(raw, name)
    if isinstance(feature, Categorical) and feature.dtype == "int":
        return _whole_numbers(raw, name, feature.name)
    if isinstance(feature, Pretrained):
        return _vectors(raw, feature)
    return strings(raw)


def strings(column: pd.Series[Any]) -> pd.Series[Any]:
    """Values as strings, whole floats as whole numbers, nulls and "" as None; equal values are one object."""
    import pandas as pd

    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    codes, values = pd.factorize(column)
    texts = np.empty(len(values) + 1, dtype=object)
    texts[:-1] = [str(value) or None for value in values]
    return pd.Series(texts[codes], index=column.index, name=column.name)


def numbers(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Values as float64, nulls as NaN."""
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce")
    bad = column[values.isna() & column.notna()]
    if len(bad):
        raise LogError(f"column {name!r}: {bad.iloc[0]!r} is no number ({len(bad)} such rows), clean the column")
    values = values.astype("float64")
    if np.isinf(values).any():
        raise LogError(f"column {name!r} holds infinity ({int(np.isinf(values).sum())} rows), clean the column")
    return values


def _whole_numbers(raw: pd.Series[Any], name: str, feature: str) -> pd.Series[Any]:
    nulls = int(raw.isna().sum())
    if nulls:
        raise LogError(f"column {name!r} has {nulls} nulls, {feature!r} is dtype 'int': say dtype = 'string'")
    if raw.dtype.kind not in "iu":
        raise LogError(f"column {name!r} is {raw.dtype}, {feature!r} is dtype 'int': say dtype = 'string'")
    return raw.astype("int64")


def _vectors(raw: pd.Series[Any], feature: Pretrained) -> pd.Series[Any]:
    import pandas as pd

    out = np.full(len(raw), None, dtype=object)
    for place, (value, missing) in enumerate(zip(raw, raw.isna(), strict=True)):
        if not missing:
            try:
                vector = np.asarray(value, dtype=np.float32)
            except (TypeError, ValueError):
                vector = np.empty(0, dtype=np.float32)
            if vector.shape != (feature.dim,) or not np.isfinite(vector).all():
                raise LogError(
                    f"column {feature.raw_column!r} holds {str(value)[:60]!r}, "
                    f"expected vectors of dim = {feature.dim} finite numbers: clean the column or mend the schema"
                )
            out[place] = vector
    return pd.Series(out, index=raw.index, name=raw.name)


def instants(schema: Schema, column: pd.Series[Any]) -> tuple[Column, pd.Series[Any]]:
    """Nanoseconds of UTC (or the order), [N] int64, and shop-local naive times, [N] datetime64[ns]."""
    import pandas as pd

    unit, name = schema.log.time_unit, column.name
    if missing := int(column.isna().sum()):
        raise LogError(f"column {name!r} (time): {missing} rows have none, filter them out of the log")
    if unit == "order":
        order = numbers(column, str(name)).to_numpy().astype(np.int64)
        return order, pd.Series(pd.Timestamp(0), index=column.index)
    if unit == "timestamp" and column.dtype.kind in "iufb":
        raise LogError(f"column {name!r} (time) holds numbers: say log.time_unit = 's', 'ms' or 'order' in the schema")
    try:
        times = pd.to_datetime(column, unit=None if unit == "timestamp" else unit)
    except (ValueError, TypeError, OverflowError) as error:
        raise LogError(f"column {name!r} (time): {error}; clean it or say log.time_unit in the schema") from None
    if times.dtype.kind != "M":
        raise LogError(f"column {name!r} (time) mixes time zones: write all times in one zone")
    utc, local = _in_zones(schema, times)
    return utc.astype("datetime64[ns]").to_numpy().astype(np.int64), local.astype("datetime64[ns]")


def _in_zones(schema: Schema, times: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """UTC and shop-local times, both naive; of an hour that a clock change repeats, the first is meant."""
    zone = schema.log.timezone
    try:
        if times.dt.tz is None:
            if zone is None:
                return times, times
            first = np.ones(len(times), dtype=bool)
            times = times.dt.tz_localize(zone[0], ambiguous=first, nonexistent="shift_forward")
        local = times.dt.tz_convert(zone[1]) if zone else times
    except Exception as error:  # pandas leaves an unknown zone's error to pytz, dateutil or zoneinfo
        raise SchemaError(f"log.timezone {list(zone or ())}: {error}, give names such as 'Europe/Paris'") from None
    return times.dt.tz_convert("UTC").dt.tz_localize(None), local.dt.tz_localize(None)
