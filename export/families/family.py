"""The contract: what a family says of itself, so that one driver exports, verifies and refreshes all of them.

A family is a folder with two modules:

    options.py   FLAGS: which trained models it needs and its own flags; imports neither torch nor ONNX
    family.py    FAMILY: an instance of `Family`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from export.data.golden import Arrays
from export.embeddings.vectors import Vectors
from export.parity.hop import Hop
from export.repository.job import Job
from export.repository.models import Models
from export.repository.options import RepositoryOptions
from export.triton.config import ModelConfig
from preprocessing.schema import FittedSchema, Schema
from stage.progress import Report

AnyPlan = TypeVar("AnyPlan")
AnyOptions = TypeVar("AnyOptions", bound=BaseModel)
About = dict[str, Any]
"""What verify.json says of a family besides its plan."""


@dataclass(frozen=True)
class Wanted(Generic[AnyOptions]):
    """How the repository is exported: what all families share, what is the family's own.

    `compiled`: whether the workflow has an equal graph, which is written by then.
    """

    shared: RepositoryOptions
    own: AnyOptions
    compiled: bool


@dataclass(frozen=True)
class Written(Generic[AnyPlan]):
    """The plan as it could be carried out, and what verify.json says besides it."""

    plan: AnyPlan
    about: About = field(default_factory=dict)


@dataclass(frozen=True)
class TorchAnswers:
    """What the trained model answers to the golden rows in torch, by name, [N, ...].

    `torch_parts`: how far the parts, each loaded alone, are from the whole model; 0, or `ParityError` was raised.
    """

    answers: Arrays
    torch_parts: float = 0.0


@dataclass(frozen=True)
class Refresh(Generic[AnyPlan]):
    """How item vectors are computed again without training.

    `rewritten`: paths inside the repository that `run` writes; all others are kept. `run`: writes them, and new answers
    to the golden rows.
    """

    rewritten: Callable[[AnyPlan], set[str]]
    run: Callable[[Job, AnyPlan], Written[AnyPlan]]


@dataclass(frozen=True)
class Replace(Generic[AnyPlan]):
    """How the stored vectors of a repository are replaced by those of a file.

    `require`: (repository, file, schema) is refused before any work where they do not go together. `run`: (repository,
    file, schema, plan, folder, report) fills `folder` with the repository and the vectors of the file.
    """

    require: Callable[[Path, Path, FittedSchema], None]
    run: Callable[[Path, Path, FittedSchema, AnyPlan, Path, Report], Written[AnyPlan]]


@dataclass(frozen=True)
class Family(Generic[AnyPlan, AnyOptions]):
    """One family as Triton serves it.

    name         as in model.json and verify.json
    plan_type    the class of its plan: a frozen dataclass
    shipped      the plan of a schema that is not fitted, with the default sizes
    plan         what it is exported as; the plans of the models that it joins are in `job.plans`
    configs      one config.pbtxt per model
    write        write the models below `job.folder`
    reference    torch's answers to the golden rows
    hops         what a repository is held to torch by, in the order of the chain
    vectors      which encoders embed users and items; None where the family has none
    refresh      None where nothing can be computed again without training
    replace      None where no vectors of users are stored
    """

    name: str
    plan_type: type[AnyPlan]
    shipped: Callable[[Schema, Mapping[str, Any]], AnyPlan]
    plan: Callable[[Job, Models, Wanted[AnyOptions]], AnyPlan]
    configs: Callable[[AnyPlan], tuple[ModelConfig, ...]]
    write: Callable[[Job, AnyPlan, Models], Written[AnyPlan]]
    reference: Callable[[Job, AnyPlan, Models], TorchAnswers]
    hops: Callable[[Job, AnyPlan], tuple[Hop, ...]]
    vectors: Callable[[AnyPlan], Vectors] | None = None
    refresh: Refresh[AnyPlan] | None = None
    replace: Replace[AnyPlan] | None = None
