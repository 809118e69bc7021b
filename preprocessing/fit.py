"""`preprocessing fit`: write requests, encoded rows, the saved workflow, item tables and `schema.json` of a raw log.

OUTPUT/
  schema.json schema.pbtxt          the schema and what was learned; the same as Merlin's schema
  workflow/ item_workflow/          as NVTabular saves them; categories/unique.FEATURE.parquet is a vocabulary; each
                                    is absent if the schema has no feature for it
  items.parquet item_index.parquet  every item with its name and id; the encoded features of item id r in row r
  sequences.parquet                 every user's items in the order of time, with the split's boundaries
  popular.parquet                   the most purchased items, of the whole log and by `popular_by` of the schema
  daily_purchases.parquet           purchases by local day and item id (absent if the log's time is only an order)
  requests/SPLIT/week=W/            raw rows as a client sends them, with target, user and time
  SPLIT/week=W/                     the same rows, encoded by the workflow
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from preprocessing.cluster import busy, tasks
from preprocessing.inputs import input_paths
from preprocessing.item_sequences import write_item_sequences
from preprocessing.items import (
    known_items,
    number_items,
    write_daily_purchases,
    write_item_index,
    write_item_table,
)
from preprocessing.learnable import require_learnable
from preprocessing.learned import learned_of, vocabulary_hashes
from preprocessing.log.read import Source, read_log
from preprocessing.log.report import ReadReport
from preprocessing.merlin_schema import write_merlin_schema
from preprocessing.number_range import require_in_range
from preprocessing.popular import write_popular
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, Schema
from preprocessing.session_rows import with_rows
from preprocessing.split import SPLITS, split_of_sessions
from preprocessing.user_parts import write_moments
from preprocessing.weeks import train_rows, write_weeks
from preprocessing.workflow import build_workflow, fit_workflow
from stage.output import whole_folder


@dataclass(frozen=True)
class Summary:
    """The result of a fit: the learned schema, the rows of each split, the users of the log, and the log's report."""

    fitted: FittedSchema
    rows: dict[str, int]
    users: int
    read: ReadReport


def fit(
    schema: Schema,
    source: Source | str | Path | None,
    output: str | Path,
    scheduler: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    schema_file: str | Path | None = None,
) -> Summary:
    """Run the whole fit; `output` is complete on return and unchanged on an error.

    `schema_file`: the file or name from which `schema` was read; `output` must not contain it.
    """
    source = source if isinstance(source, Source) else Source(source)
    inputs = input_paths(schema, source, schema_file)
    with whole_folder(output, overwrite, inputs, "preprocessing fit") as folder, tasks(scheduler, workers) as run:
        with busy("reading the log"):
            log = read_log(schema, source)
            split, boundaries = split_of_sessions(schema, log.sessions)
            items = number_items(schema, log, split)
            require_learnable(schema, log, split, items)
        vocabulary = known_items(items)["item"]
        scratch = folder / "scratch"
        sessions = with_rows(schema, log, split)
        moments = write_moments(schema, log, sessions, scratch, run)
        items.to_parquet(scratch / "items.parquet", index=False)
        if schema.request_features:
            with busy("fitting the workflow"):
                workflow = build_workflow(schema.request_features, vocabulary, folder)
                rows_of_train = train_rows(schema, moments)
                require_in_range(schema.request_features, rows_of_train)
                fit_workflow(workflow, rows_of_train, folder / "workflow")
                shutil.rmtree(folder / "categories", ignore_errors=True)
        rows = write_weeks(schema, moments, scratch / "items.parquet", folder, run)
        shutil.rmtree(scratch)
        with busy("writing sequences"):
            write_item_sequences(log, sessions, items, folder)
        write_item_table(schema, log, items, folder)
        write_item_index(schema, log, items, folder)
        write_popular(schema, log, sessions, items, folder)
        if schema.log.time_unit != "order":
            write_daily_purchases(log, items, folder)
        fitted = FittedSchema(
            schema_=schema,
            learned=learned_of(schema, folder),
            items=len(vocabulary) + FIRST_KNOWN_ID,
            boundaries=boundaries,
            vocabularies=vocabulary_hashes(folder),
        ).sealed()
        (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        write_merlin_schema(fitted, folder / "schema.pbtxt")
        return Summary(fitted, {split: rows[split] for split in SPLITS}, log.report.users, log.report)
