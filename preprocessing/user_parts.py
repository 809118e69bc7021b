"""Parts of the log by user, whose moments are written by split and week: the tasks of a cluster.

SCRATCH/
  parts/N/{purchases,sessions,users}.parquet  one part's rows of the canonical log
  moments/SPLIT/week=W/N.parquet              its moments; lists contain item numbers
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from preprocessing.cluster import Tasks
from preprocessing.log.canonical import RawLog
from preprocessing.schema import Schema
from preprocessing.sequences import group_by_user, moments

PARTS_PER_WORKER = 4


def write_moments(schema: Schema, log: RawLog, sessions: pd.DataFrame, scratch: Path, run: Tasks) -> Path:
    """Write the moments of all users, several parts per worker; return their folder, by split and week.

    sessions: `session_rows.with_rows`.
    """
    parts = _write_parts(log, sessions, scratch / "parts", PARTS_PER_WORKER * run.workers)
    folder = scratch / "moments"
    run.map(partial(_write_part_moments, schema, folder), parts, "building sequences")
    return folder


def _write_parts(log: RawLog, sessions: pd.DataFrame, folder: Path, count: int) -> list[Path]:
    user = pd.factorize(sessions["user"])[0]
    part_of_session = user * count // (user.max() + 1)
    session = log.interactions["session"].to_numpy()
    purchases = log.interactions.assign(user=user[session])
    paths = []
    for number in np.unique(part_of_session):
        part = folder / f"{number:05d}"
        part.mkdir(parents=True)
        own = sessions[part_of_session == number]
        purchases[part_of_session[session] == number].to_parquet(part / "purchases.parquet", index=False)
        own.to_parquet(part / "sessions.parquet")
        log.users.loc[own["user"].unique()].to_parquet(part / "users.parquet")
        paths.append(part)
    return paths


def _write_part_moments(schema: Schema, folder: Path, part: Path) -> None:
    purchases = pd.read_parquet(part / "purchases.parquet")
    sessions, users = pd.read_parquet(part / "sessions.parquet"), pd.read_parquet(part / "users.parquet")
    table = moments(schema, group_by_user(purchases), sessions, users)
    time = table["time"].to_pandas()
    no_clock = schema.log.time_unit == "order"
    weeks = pd.Series("all", index=time.index) if no_clock else time.dt.strftime("%G-W%V")
    for (split, week), rows in time.groupby([table["split"].to_pandas(), weeks], sort=False):
        place = folder / str(split) / f"week={week}"
        place.mkdir(parents=True, exist_ok=True)
        chosen = table.take(pa.array(rows.index.to_numpy())).drop_columns(["split"])
        pq.write_table(chosen, place / f"{part.name}.parquet")
