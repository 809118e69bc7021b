"""Files of answers: a row per history in Parquet, a row per answered item in CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stage.errors import BadInput


class AnswerFileError(BadInput):
    """The output has a suffix that is not written."""


@dataclass(frozen=True)
class Answer:
    """`items`, `scores`: best first, without empty slots. `known`: the share of the history's ids that are known."""

    owner: str
    items: list[str]
    scores: list[float]
    reason: str
    known: float


Write = Callable[[list[Answer]], None]


def require_answer_file(path: Path) -> None:
    """Raise `AnswerFileError` unless the suffix is that of a written format."""
    if path.suffix not in _WRITERS:
        raise AnswerFileError(f"--output {path}: is neither .parquet nor .csv: give one of them")


@contextmanager
def answer_file(path: Path, suffix: str, key: str) -> Iterator[Write]:
    """Yield a function that appends answers to `path`, in the format of `suffix`; `key` is the column of owners."""
    with _WRITERS[suffix](path, key) as write:
        yield write


@contextmanager
def _parquet(path: Path, key: str) -> Iterator[Write]:
    """One row per history: `key`, item_id (list), score (list), reason, known."""
    fields = [("item_id", pa.list_(pa.string())), ("score", pa.list_(pa.float32()))]
    schema = pa.schema([(key, pa.string()), *fields, ("reason", pa.string()), ("known", pa.float32())])
    with pq.ParquetWriter(path, schema) as writer:

        def write(answers: list[Answer]) -> None:
            rows = [(each.owner, each.items, each.scores, each.reason, each.known) for each in answers]
            columns = zip(*rows, strict=True) if rows else [()] * len(schema)
            arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))

        yield write


@contextmanager
def _csv(path: Path, key: str) -> Iterator[Write]:
    """One row per answered item: `key`, rank, item_id, score, reason, known; one of rank 0 if there is no item."""
    with path.open("w", newline="", encoding="utf-8") as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow([key, "rank", "item_id", "score", "reason", "known"])

        def write(answers: list[Answer]) -> None:
            for each in answers:
                about = (each.reason, f"{each.known:.6g}")
                for rank, (item, score) in enumerate(zip(each.items, each.scores, strict=True), start=1):
                    rows.writerow([each.owner, rank, item, f"{score:.9g}", *about])
                if not each.items:
                    rows.writerow([each.owner, 0, "", "", *about])

        yield write


_WRITERS = {".parquet": _parquet, ".csv": _csv}
