"""How a repository is to be exported, and the plan that this comes to for a model and its data."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from export.families.offline_online.plan import Format, Plan
from export.repository.registry import RegisteredModel
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, read_fitted, require_same_digest
from training.checkpoint import read_config

PlanOf = TypeVar("PlanOf", bound=Plan)


@dataclass(frozen=True)
class Options:
    """How a repository is to be exported; `top_k` is cut to the number of items.

    `reference_path`: serve NVTabular's own executor beside its compiled graph. `stored`: serve from stored embeddings
    of the users too. `inputs`: what is read besides the folders of model and data, such as a registry's store.
    """

    format: Format = "onnx"
    top_k: int = 100
    max_batch_size: int = 64
    exclude_seen: bool = True
    overwrite: bool = False
    reference_path: bool = True
    stored: bool = True
    inputs: tuple[Path, ...] = ()


def cut_to_catalogue(flag: str, wanted: int, fitted: FittedSchema, holds: str) -> int:
    """`wanted` items, or as many as there are, with a word on stderr that says so."""
    items = fitted.items - FIRST_KNOWN_ID
    if wanted > items:
        print(f"naiad: {flag} {wanted}: the catalogue holds {items} items: {holds} {items}", file=sys.stderr)
    return min(wanted, items)


def plan_export(
    kind: type[PlanOf], model: str | Path, data: str | Path, options: Options, registered: RegisteredModel | None
) -> tuple[FittedSchema, PlanOf]:
    """The model's schema and the plan as it is wanted: whether the workflow can be compiled is not known yet.

    `registered`: the version in the registry that the folder `model` is of. Raises `SchemaError` where model and data
    are of different fits.
    """
    fitted = read_fitted(model)
    what = registered.uri if registered else f"in {model}"
    require_same_digest(read_fitted(data), fitted, f"the model {what}")
    plan = kind(
        schema=fitted.schema_,
        dim=read_config(model).dim,
        top_k=cut_to_catalogue("--top-k", options.top_k, fitted, "an answer holds"),
        max_batch_size=options.max_batch_size,
        format=options.format,
        exclude_seen=options.exclude_seen,
        digest=fitted.digest,
        reference_path=options.reference_path,
    )
    return fitted, plan
