"""Moments of a week in two forms: as requests that a client sends, and encoded by the fitted workflow."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from preprocessing.cluster import Tasks
from preprocessing.number_range import require_in_range
from preprocessing.schema import Feature, Schema, Sequence
from preprocessing.workflow import load_workflow, to_fit_columns, transform

if TYPE_CHECKING:
    from dask.dataframe import DataFrame as DaskFrame

PART = "part-0.parquet"
WEEKS_PER_TASK = 4
MOST_PARTITIONS = 64
ROWS_PER_TASK = 20_000
ORDER = [("time", "ascending"), ("user", "ascending"), ("session", "ascending")]


def train_rows(schema: Schema, moments: Path) -> DaskFrame:
    """Return the moments of the train period, on which the workflow is fitted, a few weeks per partition."""
    import dask.dataframe as dd

    load = partial(_train_columns, schema.request_features)
    folders = sorted((moments / "train").iterdir())
    weeks = _chunks(folders, max(WEEKS_PER_TASK, -(-len(folders) // MOST_PARTITIONS)))
    # Kept in memory, because NVTabular would read them again for every operator that it fits.
    return dd.from_map(load, weeks, meta=load(weeks[0][:1]).iloc[:0]).persist()


def _train_columns(features: tuple[Feature, ...], weeks: Iterable[Path]) -> pd.DataFrame:
    columns = [feature.name for feature in features if not isinstance(feature, Sequence)]
    return to_fit_columns(features, pa.concat_tables([_read_week(week, columns) for week in weeks]).to_pandas())


def write_weeks(schema: Schema, moments: Path, item_numbers: Path, folder: Path, run: Tasks) -> dict[str, int]:
    """Write `requests/SPLIT/week=W` and `SPLIT/week=W` of every week in `moments`; return the rows of each split.

    item_numbers: a table of `item` and `encoded_id`, row n for item number n. folder: has the saved `workflow`.
    """
    weeks = _chunks_of_rows(sorted(moments.glob("*/week=*")))
    counted = run.map(partial(_write_weeks, schema, item_numbers, folder), weeks, "encoding weeks")
    rows: dict[str, int] = {}
    for chunk, counts in zip(weeks, counted, strict=True):
        for week, count in zip(chunk, counts, strict=True):
            rows[week.parent.name] = rows.get(week.parent.name, 0) + count
    return rows


def _chunks(weeks: list[Path], size: int) -> list[list[Path]]:
    return [weeks[start : start + size] for start in range(0, len(weeks), size)]


def _chunks_of_rows(weeks: list[Path]) -> list[list[Path]]:
    """Return weeks in order, in chunks of about `ROWS_PER_TASK` rows, because a long log has many small weeks."""
    rows = [sum(pq.read_metadata(file).num_rows for file in week.iterdir()) for week in weeks]
    task = np.cumsum(rows) // ROWS_PER_TASK
    return [weeks[a:b] for a, b in itertools.pairwise([0, *(np.flatnonzero(np.diff(task)) + 1), len(weeks)])]


def _write_weeks(schema: Schema, item_numbers: Path, folder: Path, weeks: list[Path]) -> list[int]:
    features = schema.request_features
    known = pq.read_table(item_numbers)
    names = known["item"].combine_chunks()
    ids = known["encoded_id"].to_numpy()
    read = [_read_week(week) for week in weeks]
    counts = [len(rows) for rows in read]
    # NVTabular's cost is per call, so small weeks go through it together.
    rows = pa.concat_tables(read).combine_chunks()
    table: dict[str, pa.Array] = {}
    if features:
        frame = _request_frame(features, rows, names.to_numpy(zero_copy_only=False))
        require_in_range(features, frame)
        encoded = transform(load_workflow(folder / "workflow"), features, frame)
        table = {feature.name: _encoded_array(feature, encoded[feature.name]) for feature in features}
    table["target"] = _map_lists(rows["target"], lambda numbers: pa.array(ids[numbers.to_numpy()]))
    written, requests = pa.table(table), _requests(features, rows, names)
    for week, start, count in zip(weeks, np.r_[0, np.cumsum(counts)[:-1]].tolist(), counts, strict=True):
        place = Path(week.parent.name) / week.name
        _write(written.slice(start, count), folder / place)
        _write(requests.slice(start, count), folder / "requests" / place)
    return counts


def _read_week(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """Return a week's moments in an order that does not depend on the parts of the users."""
    wanted = None if columns is None else [name for name, _ in ORDER] + columns
    parts = [pq.read_table(file, columns=wanted, partitioning=None) for file in sorted(folder.iterdir())]
    rows = pa.concat_tables(parts).combine_chunks()
    return rows.take(pa.compute.sort_indices(rows, sort_keys=ORDER))


def _request_frame(features: tuple[Feature, ...], rows: pa.Table, names: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Return the rows as a client sends them, in memory; equal item ids share one object, which saves memory."""
    frame = {}
    for feature in features:
        column = rows[feature.name]
        if isinstance(feature, Sequence):
            lists = column.combine_chunks()
            flat = names[lists.flatten().to_numpy()]
            ends = np.cumsum(lists.value_lengths().to_numpy())
            frame[feature.name] = pd.Series(np.split(flat, ends[:-1]), dtype=object)
        else:
            frame[feature.name] = column.to_pandas()
    return pd.DataFrame(frame)


def _requests(features: tuple[Feature, ...], rows: pa.Table, names: pa.Array) -> pa.Table:
    """Return the rows as a client sends them, as a table: `user`, `time`, every request feature, `target`."""
    sequences = [feature.name for feature in features if isinstance(feature, Sequence)]
    table = {"user": rows["user"], "time": rows["time"]}
    for name in [feature.name for feature in features] + ["target"]:
        lists = name in sequences or name == "target"
        table[name] = _map_lists(rows[name], names.take) if lists else rows[name]
    return pa.table(table)


def _map_lists(column: pa.ChunkedArray, replace: Any) -> pa.ListArray:
    """Return lists of the same lengths with their flat values replaced."""
    lists = column.combine_chunks()
    offsets = np.r_[0, np.cumsum(lists.value_lengths().to_numpy())]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), replace(lists.flatten()))


def _encoded_array(feature: Feature, column: pd.Series[Any]) -> pa.Array:
    kind = feature.encoded.arrow()
    if feature.encoded.form == "scalar":
        return pa.array(column, kind)
    lengths = [len(values) for values in column]
    flat = np.concatenate(column.tolist()) if len(column) else np.empty(0)
    offsets = pa.array(np.r_[0, np.cumsum(lengths)], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(flat).cast(kind.value_type))


def _write(table: pa.Table, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / PART)
