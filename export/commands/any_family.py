"""Export, verify and refresh by what a model, or a repository, says it is."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.commands.early import SCHEME
from export.errors import GraphError, RepositoryError
from export.families.offline_online.plan import FAMILY as RANKING
from export.families.offline_online.repository import export_repository, verify_again
from export.families.offline_online.stored.models import nothing_to_store
from export.families.retrieve_and_rank.plan import FAMILY as TWO_STAGES
from export.families.retrieve_and_rank.plan import MOST_CANDIDATES
from export.families.retrieve_and_rank.repository import (
    Source,
    TwoStageOptions,
    export_two_stages,
    refresh_two_stages,
    verify_two_stages_again,
)
from export.families.two_tower.index.choice import Wanted as WantedIndex
from export.families.two_tower.plan import FAMILY as RETRIEVAL
from export.families.two_tower.refresh import refresh_items
from export.families.two_tower.repository import RetrievalOptions, export_retrieval, verify_retrieval_again
from export.parity.declared import require_declared
from export.repository.options import Options
from export.repository.registry import model_folder
from export.repository.result import read_result
from preprocessing.schema import read_fitted
from stage.mlflow_store import store_paths
from training.checkpoint import read_config

_VERIFY = {RANKING: verify_again, RETRIEVAL: verify_retrieval_again, TWO_STAGES: verify_two_stages_again}
_REFRESH = {RETRIEVAL: refresh_items, TWO_STAGES: refresh_two_stages}


@dataclass(frozen=True)
class Wanted:
    """The models to export, folders or models:/ names, and what only some families have a use for.

    `retriever`: of the candidates that `model` is to rank. `candidates`: how many, `MOST_CANDIDATES` if absent.
    `stored`: whether the offline embeddings of all users are held, by default where there are any.
    """

    model: str
    retriever: str | None = None
    tracking_uri: str | None = None
    index: WantedIndex = "auto"
    candidates: int | None = None
    stored: bool | None = None


def export_any(wanted: Wanted, data: str | Path, output: str | Path, options: dict[str, Any]) -> dict[str, Any]:
    """The content of verify.json; `options` are those of `export.repository.options.Options`.

    Raises:
        GraphError: A model is of another family than it is wanted for, or has no use for what is wanted of it.

    """
    options = {**options, "inputs": _registry(wanted)}
    with ExitStack() as stack:
        source = Source(*stack.enter_context(model_folder(wanted.model, wanted.tracking_uri)))
        family, stored = read_config(source.folder).family, wanted.stored is not False
        if wanted.stored and family == RANKING and (reason := nothing_to_store(read_fitted(source.folder).schema_)):
            raise GraphError(f"--stored-embeddings: {reason}: leave it out")
        if wanted.retriever is not None:
            retriever = Source(*stack.enter_context(model_folder(wanted.retriever, wanted.tracking_uri)))
            _require_family(f"--model {wanted.model}", family, RANKING)
            _require_family(f"--retriever {wanted.retriever}", read_config(retriever.folder).family, RETRIEVAL)
            many = wanted.candidates or MOST_CANDIDATES
            two_stages = TwoStageOptions(**options, stored=stored, index=wanted.index, candidates=many)
            return export_two_stages(source, retriever, data, output, two_stages)
        if wanted.candidates is not None:
            raise GraphError(f"--candidates {wanted.candidates}: nothing retrieves them: give --retriever a model")
        if family == RETRIEVAL:
            if wanted.stored:
                raise GraphError(f"--stored-embeddings: {wanted.model} is a two_tower model: leave it out")
            retrieval = RetrievalOptions(**options, index=wanted.index)
            return export_retrieval(source.folder, data, output, retrieval, source.registered)
        if wanted.index != "auto":
            raise GraphError(f"--index {wanted.index}: {wanted.model} is no two_tower model: leave it out")
        return export_repository(source.folder, data, output, Options(**options, stored=stored), source.registered)


def _registry(wanted: Wanted) -> tuple[Path, ...]:
    """The files of the store that a models:/ name is read from."""
    named = any(str(model).startswith(SCHEME) for model in (wanted.model, wanted.retriever))
    return store_paths(wanted.tracking_uri) if named else ()


def verify_any(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Verify again what was exported; the content of verify.json."""
    family = _family(repository)
    require_declared(repository)
    return _VERIFY[family](repository, data)


def refresh_any(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Refresh the item vectors; the content of verify.json."""
    family = _family(repository)
    if family not in _REFRESH:
        raise RepositoryError(f"{repository}: has no item index: give the repository of a two_tower model")
    return _REFRESH[family](repository, data)


def _family(repository: str | Path) -> str:
    family = str(read_result(repository)["family"])
    if family not in _VERIFY:
        raise RepositoryError(f"{repository}: family {family} is not known here: export the repository again")
    return family


def _require_family(what: str, family: str, expected: str) -> None:
    if family != expected:
        raise GraphError(f"{what}: is a model of family {family}, give one of {expected}")
