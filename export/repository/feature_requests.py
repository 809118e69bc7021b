"""Golden rows of the families whose request has the features of the schema, encoded by the workflow of the fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from export.data.golden import Arrays, Row, arrow_schema, golden_rows, read_item_ids, recorded_rows, request_tensors
from export.data.nulls import Nulls, encoded_nulls, fill_arrays
from export.data.saved_workflow import SavedWorkflow
from export.repository.golden_kind import GoldenKind, SharedModels
from export.repository.job import Job
from export.repository.members import write_decoding, write_preprocess
from export.repository.models import Models
from export.repository.options import RepositoryOptions
from preprocessing.schema import Feature, FittedSchema

if TYPE_CHECKING:
    import pyarrow as pa

RECORDED = 2000
"""The maximal number of recorded rows for the comparison of the compiled `preprocess`."""


@dataclass(frozen=True)
class FeatureRequests:
    """`data`: the output folder of `preprocessing fit`. `rows`: the golden rows."""

    data: Path
    fitted: FittedSchema
    rows: list[Row]
    workflow: SavedWorkflow

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of a request, in its order."""
        return self.fitted.schema_.request_features

    @property
    def columns(self) -> pa.Schema:
        return arrow_schema(self.features)

    @cached_property
    def item_ids(self) -> list[str]:
        """The raw id of every encoded id, "" for special ids."""
        return read_item_ids(self.data)

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

    def as_tensors(self, rows: list[Row]) -> Arrays:
        """Return the request of a client with these rows."""
        return request_tensors(self.features, rows)


FeatureJob = Job[FeatureRequests]


def _make(data: Path, fitted: FittedSchema, _models: Models) -> FeatureRequests:
    workflow = SavedWorkflow.of_requests(data)
    return FeatureRequests(data, fitted, golden_rows(data, fitted), workflow)


def _again(data: Path, fitted: FittedSchema, rows: list[Row]) -> FeatureRequests:
    return FeatureRequests(data, fitted, rows, SavedWorkflow.of_requests(data))


def _write(job: FeatureJob, options: RepositoryOptions) -> SharedModels:
    requests = job.requests
    job.report("write the preprocessing")
    refusal = write_preprocess(requests.workflow, requests.features, options.reference_path, job.folder)
    write_decoding(job.item_ids, options.top_k, job.folder)
    return SharedModels(refusal, 0 if refusal else len(requests.recorded))


FEATURE_REQUESTS = GoldenKind(make=_make, again=_again, write=_write)
