"""`preprocessing fit`: a raw log becomes requests, encoded rows, the saved workflow, the item tables and `schema.json`.

OUTPUT/
  schema.json schema.pbtxt          the schema and what was learned; the same as Merlin's schema
  workflow/ item_workflow/          as NVTabular saves them, with every id vocabulary
  items.parquet item_index.parquet  every item with its name and id; the encoded features of item id r in row r
  requests/SPLIT/week=W/            raw rows as a client sends them, with target, user and time
  SPLIT/week=W/                     the same rows, encoded by the workflow
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.cluster import Tasks, tasks
from preprocessing.items import train_counts, write_daily_purchases, write_item_index, write_item_table
from preprocessing.learned import learned_of, vocabulary_hashes
from preprocessing.merlin_schema import write_merlin_schema
from preprocessing.readers import RawLog, read_log
from preprocessing.schema import FIRST_KNOWN_ID, UNKNOWN_ID, FittedSchema, Schema
from preprocessing.sequences import group_by_user, moments
from preprocessing.split import sessions_with_split
from preprocessing.workflow import build_workflow, save_workflow, to_workflow_columns, transform
from stage.output import whole_folder

if TYPE_CHECKING:
    import nvtabular as nvt
    import pandas as pd

PART = "part-0.parquet"


@dataclass(frozen=True)
class Summary:
    """What a fit made: the learned schema and the rows of each split."""

    fitted: FittedSchema
    rows: dict[str, int]


def fit(
    schema: Schema,
    source: str | Path | None,
    output: str | Path,
    scheduler: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> Summary:
    """Run the whole fit; `output` is whole when it returns and untouched when it raises."""
    with whole_folder(output, overwrite) as folder, tasks(scheduler, workers) as run:
        log = read_log(schema, source)
        sessions, boundaries = sessions_with_split(schema, log)
        counts = train_counts(schema, log, sessions)
        scratch = folder / "moments"
        _write_moments(schema, log, sessions, scratch, run)
        workflow = _fit_workflow(schema, counts.index.to_series(), scratch, folder)
        rows = _encode(schema, workflow, counts, scratch, folder, run)
        shutil.rmtree(scratch)
        write_item_table(schema, log, counts, folder)
        write_item_index(schema, log, counts, folder)
        write_daily_purchases(log, counts, folder)
        fitted = FittedSchema(
            schema_=schema,
            learned=learned_of(schema, folder),
            items=len(counts) + FIRST_KNOWN_ID,
            boundaries=boundaries,
            vocabularies=vocabulary_hashes(folder),
        ).sealed()
        (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        write_merlin_schema(fitted, folder / "schema.pbtxt")
        return Summary(fitted, rows)


def _write_moments(schema: Schema, log: RawLog, sessions: pd.DataFrame, scratch: Path, run: Tasks) -> None:
    grouped = group_by_user(schema, log, sessions, partitions=4 * run.workers)
    parts = [grouped.get_partition(number).compute() for number in range(grouped.npartitions)]
    run.map(partial(_write_part, schema, log.users, scratch), list(enumerate(parts)), "building sequences")


def _write_part(schema: Schema, users: pd.DataFrame, scratch: Path, part: tuple[int, pd.DataFrame]) -> None:
    number, lists = part
    for (split, week), rows in moments(schema, lists, users).groupby(["split", "week"], sort=False):
        folder = scratch / str(split) / f"week={week}"
        folder.mkdir(parents=True, exist_ok=True)
        rows.drop(columns=["split", "week"]).to_parquet(folder / f"{number:05d}.parquet", index=False)


def _read_week(folder: Path) -> pd.DataFrame:
    """A week's rows in an order that does not depend on how the users were partitioned."""
    import pandas as pd

    rows = pd.concat([pd.read_parquet(file) for file in sorted(folder.iterdir())])
    return rows.sort_values(["time", "user", "session"], kind="stable").reset_index(drop=True)


def _fit_workflow(schema: Schema, vocabulary: pd.Series[str], scratch: Path, folder: Path) -> nvt.Workflow:
    import dask.dataframe as dd
    import nvtabular as nvt
    from dask import delayed

    features = schema.request_features

    def load(week: Path) -> pd.DataFrame:
        return to_workflow_columns(features, _read_week(week))

    weeks = sorted((scratch / "train").iterdir())
    meta = load(weeks[0]).iloc[:0]
    rows = dd.from_delayed([delayed(load)(week) for week in weeks], meta=meta, verify_meta=False)
    workflow = build_workflow(features, vocabulary, folder / "categories")
    workflow.fit(nvt.Dataset(rows))
    save_workflow(workflow, folder / "workflow")
    shutil.rmtree(folder / "categories", ignore_errors=True)
    return nvt.Workflow.load(str(folder / "workflow"))


def _encode(
    schema: Schema, workflow: nvt.Workflow, counts: pd.Series[int], scratch: Path, folder: Path, run: Tasks
) -> dict[str, int]:
    splits = sorted(scratch.iterdir())
    weeks = [week for split in splits for week in sorted(split.iterdir())]
    ids = {item: FIRST_KNOWN_ID + place for place, item in enumerate(counts.index)}
    counted = run.map(partial(_encode_week, schema, workflow, ids, folder), weeks, "encoding weeks")
    rows = {split.name: 0 for split in splits}
    for week, count in zip(weeks, counted, strict=True):
        rows[week.parent.name] += count
    return rows


def _encode_week(schema: Schema, workflow: nvt.Workflow, ids: dict[str, int], folder: Path, week: Path) -> int:
    rows = _read_week(week)
    place = Path(week.parent.name) / week.name
    encoded = transform(workflow, schema.request_features, rows)
    encoded["target"] = [[ids.get(item, UNKNOWN_ID) for item in items] for items in rows["target"]]
    for target, frame in ((folder / "requests" / place, rows.drop(columns=["session"])), (folder / place, encoded)):
        target.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(target / PART, index=False)
    return len(rows)
