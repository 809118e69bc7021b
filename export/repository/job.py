"""An export, refresh or verification of a repository: the parts that all families share, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, Row
from export.graphs.known_ids import Counts, id_counts
from export.parity.answers import Reference, golden_file, read_reference, requests_of, write_reference
from export.parity.local import LocalRepository
from export.repository.options import RepositoryOptions
from export.triton.plan import Plan
from preprocessing.schema import FittedSchema, Schema
from stage.progress import Report

if TYPE_CHECKING:
    import pyarrow as pa

AnyPlan = TypeVar("AnyPlan", bound=Plan)


class GoldenRequests(Protocol):
    """The golden rows of a family, in the form of its requests."""

    @property
    def rows(self) -> list[Row]: ...

    @property
    def columns(self) -> pa.Schema:
        """The columns of the rows in Parquet."""

    @property
    def item_ids(self) -> list[str]:
        """The raw id of every encoded id, "" for special ids."""

    def as_tensors(self, rows: list[Row]) -> Arrays:
        """Return the request of a client with these rows."""


RequestsT = TypeVar("RequestsT", bound=GoldenRequests)


@dataclass(frozen=True)
class Job(Generic[RequestsT]):
    """`folder`: the repository. `requests`: the golden rows, and what is needed to encode them.

    `plans`: the known plans of families, by name. `report`: called with the name of each step.
    """

    folder: Path
    fitted: FittedSchema
    requests: RequestsT
    report: Report
    plans: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.fitted.schema_

    @cached_property
    def item_ids(self) -> list[str]:
        """The raw id of every encoded id, "" for special ids."""
        return self.requests.item_ids

    @cached_property
    def encoded_ids(self) -> Mapping[str, int]:
        """The encoded id of every raw id, padding for ""."""
        return {item: place for place, item in reversed(list(enumerate(self.item_ids)))}

    @cached_property
    def golden_tensors(self) -> list[Arrays]:
        """The tensors of the golden rows: some rows as requests of their own, the others as one."""
        return [self.requests.as_tensors(rows) for rows in requests_of(self.requests.rows)]

    @cached_property
    def local(self) -> LocalRepository:
        """The repository's models, run in this process; used after all of them are written."""
        return LocalRepository(self.folder)

    def counts(self, *of_items: str) -> Counts:
        """Return the number of ids of each tensor of ids; `of_items` names tensors of items that are not features."""
        return id_counts(self.fitted, *of_items)

    def plan(self, kind: type[AnyPlan], options: RepositoryOptions, compiled: bool, dim: int, **own: Any) -> AnyPlan:
        """Return a family's plan; `own`: the fields that only this family has."""
        shared: dict[str, Any] = {"schema": self.schema, "digest": self.fitted.digest, "compiled": compiled, "dim": dim}
        return kind(**shared, **options.model_dump(), **own)

    def write_golden(self, family: str, answers: Arrays) -> None:
        """Write torch's answers to the golden rows, next to these."""
        write_reference(
            Reference(self.requests.rows, answers), self.requests.columns, self.folder / golden_file(family)
        )

    def golden(self, family: str) -> Arrays:
        """Read torch's answers to the golden rows."""
        return read_reference(self.folder / golden_file(family)).answers


def blank(rows: int) -> NDArray[np.object_]:
    """Return a tensor of empty strings, [rows, 1]."""
    return np.full((rows, 1), b"", dtype=np.object_)
