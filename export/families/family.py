"""The contract of a family, by which one driver exports, verifies and refreshes all of them.

A family is a folder with two modules:

    options.py   FLAGS: the trained models that it needs and its own flags; imports neither torch nor ONNX
    family.py    FAMILY: an instance of `Family`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from export.embeddings.vectors import Vectors
from export.next_item.plan import HistoryChain
from export.parity.hop import Hop
from export.repository.golden_kind import GoldenKind
from export.repository.job import Job, RequestsT
from export.repository.models import Models
from export.repository.options import RepositoryOptions
from export.repository.written import TorchAnswers, Written
from export.triton.config import ModelConfig
from preprocessing.schema import FittedSchema, Schema
from stage.progress import Report

AnyPlan = TypeVar("AnyPlan")
AnyOptions = TypeVar("AnyOptions", bound=BaseModel)


@dataclass(frozen=True)
class Wanted(Generic[AnyOptions]):
    """The options of an export: the shared ones and the family's own.

    `compiled`: whether the workflow has an equal graph, which is then already written.
    """

    shared: RepositoryOptions
    own: AnyOptions
    compiled: bool


@dataclass(frozen=True)
class Refresh(Generic[RequestsT, AnyPlan]):
    """The refresh of item vectors without training.

    `rewritten`: paths inside the repository that `run` writes; all others are kept. `run`: writes them, and new answers
    to the golden rows.
    """

    rewritten: Callable[[AnyPlan], set[str]]
    run: Callable[[Job[RequestsT], AnyPlan], Written[AnyPlan]]


@dataclass(frozen=True)
class Replace(Generic[AnyPlan]):
    """The replacement of a repository's stored vectors with those of a file.

    `require`: refuses (repository, file, schema) before any work if they do not match. `run`: (repository,
    file, schema, plan, folder, report) fills `folder` with the repository and the vectors of the file.
    """

    require: Callable[[Path, Path, FittedSchema], None]
    run: Callable[[Path, Path, FittedSchema, AnyPlan, Path, Report], Written[AnyPlan]]


@dataclass(frozen=True)
class Family(Generic[RequestsT, AnyPlan, AnyOptions]):
    """A family as Triton serves it.

    name         its name in model.json and verify.json
    golden       the kind of its golden rows, and the models that it shares with families of the same kind
    plan_type    the class of its plan, a frozen dataclass
    shipped      returns the plan of a schema without a fit, with the default sizes
    plan         returns its plan; the plans of the models that it joins are in `job.plans`
    configs      returns one config.pbtxt per model
    write        writes the models below `job.folder`
    reference    returns torch's answers to the golden rows
    hops         returns the hops that are compared with torch, in the order of the chain
    vectors      the encoders of users and items; None if the family has none
    refresh      None if nothing can be computed again without training
    replace      None if no vectors of users are stored
    histories    returns the model that answers histories; None if a request is more than a history
    settle       returns the shared options as its trained models allow them
    """

    name: str
    golden: GoldenKind[RequestsT]
    plan_type: type[AnyPlan]
    shipped: Callable[[Schema, Mapping[str, Any]], AnyPlan]
    plan: Callable[[Job[RequestsT], Models, Wanted[AnyOptions]], AnyPlan]
    configs: Callable[[AnyPlan], tuple[ModelConfig, ...]]
    write: Callable[[Job[RequestsT], AnyPlan, Models], Written[AnyPlan]]
    reference: Callable[[Job[RequestsT], AnyPlan, Models], TorchAnswers]
    hops: Callable[[Job[RequestsT], AnyPlan], tuple[Hop, ...]]
    vectors: Callable[[AnyPlan], Vectors] | None = None
    refresh: Refresh[RequestsT, AnyPlan] | None = None
    replace: Replace[AnyPlan] | None = None
    histories: Callable[[AnyPlan], HistoryChain] | None = None
    settle: Callable[[RepositoryOptions, Models], RepositoryOptions] = lambda options, _: options
