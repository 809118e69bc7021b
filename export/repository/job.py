"""An export, refresh or verification of a repository: the parts that all families share, computed once."""

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
"""The maximal number of recorded rows for the comparison of the compiled `preprocess`."""

AnyPlan = TypeVar("AnyPlan", bound=Plan)


@dataclass(frozen=True)
class Job:
    """`data`: the output folder of `preprocessing fit`. `folder`: the repository. `rows`: the golden rows.

    `plans`: the known plans of families, by name. `report`: called with the name of each step.
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
        """The features of a request, in its order."""
        return self.schema.request_features

    @cached_property
    def item_ids(self) -> list[str]:
        """The raw id of every encoded id, "" for special ids."""
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
        """The encoded null of each feature that is encoded as numbers."""
        return encoded_nulls(self.features, self.workflow)

    @cached_property
    def finite(self) -> Arrays:
        """The encoded golden rows as inputs of a model; non-finite numbers are null."""
        return fill_arrays(self.encoded, self.nulls)

    @cached_property
    def recorded(self) -> list[Row]:
        """Evenly spaced requests of the data set."""
        return recorded_rows(self.data, self.features, RECORDED)

    @cached_property
    def requests(self) -> list[Arrays]:
        """The tensors of the golden rows: the first ones as requests of their own, the others as one."""
        return [request_tensors(self.features, rows) for rows in requests_of(self.rows)]

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
        write_reference(Reference(self.rows, answers), self.features, self.folder / golden_file(family))

    def golden(self, family: str) -> Arrays:
        """Read torch's answers to the golden rows."""
        return read_reference(self.features, self.folder / golden_file(family)).answers


def blank(rows: int) -> NDArray[np.object_]:
    """Return a tensor of empty strings, [rows, 1]."""
    return np.full((rows, 1), b"", dtype=np.object_)
