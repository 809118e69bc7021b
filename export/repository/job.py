"""One export, refresh or verification of a repository: what all of its families share, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, Row, read_item_ids, recorded_rows, request_tensors
from export.data.nulls import Nulls, encoded_nulls, fill_arrays
from export.data.saved_workflow import SavedWorkflow
from export.graphs.known_ids import Counts, id_counts
from export.parity.answers import Reference, golden_file, read_reference, requests_of, write_reference
from export.parity.local import LocalRepository
from export.repository.options import RepositoryOptions
from export.triton.plan import Plan
from preprocessing.schema import Feature, FittedSchema, Schema
from stage.progress import Report

RECORDED = 2000
"""Rows of the data set that the compiled `preprocess` is run on, at most."""

AnyPlan = TypeVar("AnyPlan", bound=Plan)


@dataclass(frozen=True)
class Job:
    """`data`: the output folder of `preprocessing fit`. `folder`: the repository. `rows`: the golden ones.

    `plans`: of the families, by name, as far as they are known. `report`: is told what begins.
    """

    data: Path
    folder: Path
    fitted: FittedSchema
    rows: list[Row]
    workflow: SavedWorkflow
    report: Report
    plans: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.fitted.schema_

    @property
    def features(self) -> tuple[Feature, ...]:
        """Those of a request, in its order."""
        return self.schema.request_features

    @cached_property
    def item_ids(self) -> list[str]:
        """The raw id of every encoded id, "" for the special ones."""
        return read_item_ids(self.data)

    @cached_property
    def encoded_ids(self) -> Mapping[str, int]:
        """The encoded id of every raw id, padding for ""."""
        return {item: place for place, item in reversed(list(enumerate(self.item_ids)))}

    @cached_property
    def encoded(self) -> Arrays:
        """The golden rows as the saved workflow encodes them."""
        return self.workflow.encode(self.features, self.rows)

    @cached_property
    def nulls(self) -> Nulls:
        """What null is encoded as, of each feature that is encoded as numbers."""
        return encoded_nulls(self.features, self.workflow)

    @cached_property
    def finite(self) -> Arrays:
        """The encoded golden rows as a model takes them: numbers that are not finite are null."""
        return fill_arrays(self.encoded, self.nulls)

    @cached_property
    def recorded(self) -> list[Row]:
        """Requests of the data set, at even distances."""
        return recorded_rows(self.data, self.features, RECORDED)

    @cached_property
    def requests(self) -> list[Arrays]:
        """The tensors of the golden rows: the first rows as requests of their own, the rest as one."""
        return [request_tensors(self.features, rows) for rows in requests_of(self.rows)]

    @cached_property
    def local(self) -> LocalRepository:
        """The repository's models, run in this process; asked for once all of them are written."""
        return LocalRepository(self.folder)

    def counts(self, *of_items: str) -> Counts:
        """How many ids each tensor of ids may hold; `of_items` names tensors of items that are no features."""
        return id_counts(self.fitted, *of_items)

    def plan(self, kind: type[AnyPlan], options: RepositoryOptions, compiled: bool, dim: int, **own: Any) -> AnyPlan:
        """Return a family's plan; `own`: the fields that only this family has."""
        shared: dict[str, Any] = {"schema": self.schema, "digest": self.fitted.digest, "compiled": compiled, "dim": dim}
        return kind(**shared, **options.model_dump(), **own)

    def write_golden(self, family: str, answers: Arrays) -> None:
        """Write torch's answers to the golden rows, next to these."""
        write_reference(Reference(self.rows, answers), self.features, self.folder / golden_file(family))

    def golden(self, family: str) -> Arrays:
        """Read torch's answers to the golden rows."""
        return read_reference(self.features, self.folder / golden_file(family)).answers


def blank(rows: int) -> NDArray[np.object_]:
    """Return a request's tensor of strings that all are "", [rows, 1]."""
    return np.full((rows, 1), b"", dtype=np.object_)
