"""The kind of a family's golden rows: their making, and the models that all families with such rows share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from export.data.golden import Row
from export.repository.job import Job, RequestsT
from export.repository.models import Models
from export.repository.options import RepositoryOptions
from preprocessing.schema import FittedSchema


@dataclass(frozen=True)
class SharedModels:
    """`not_compiled`: why there is no compiled `preprocess`, else "". `recorded_rows`: see `Result`."""

    not_compiled: str = ""
    recorded_rows: int = 0


@dataclass(frozen=True)
class GoldenKind(Generic[RequestsT]):
    """Families that share a repository have one kind of golden rows.

    make      (source, fitted, models) makes the golden rows of an export
    again     (source, fitted, rows) opens them again; the source of a verification is DATA, or the repository itself if
              the family needs no data
    write     writes the models below `job.folder` that all families with such rows share

    The source of an export is the output folder of `preprocessing fit`, or MODEL if the family needs no data.
    """

    make: Callable[[Path, FittedSchema, Models], RequestsT]
    again: Callable[[Path, FittedSchema, list[Row]], RequestsT]
    write: Callable[[Job[RequestsT], RepositoryOptions], SharedModels]
