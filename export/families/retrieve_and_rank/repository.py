"""Write a repository of both families and of the chain of two stages, verified before it takes its place.

REPOSITORY/
  all of both families that it joins
  candidate_ranker/                                                      the second stage
  retrieve_and_rank/ retrieve_and_rank_fused/                            what clients call
  golden_retrieve_and_rank.parquet                                       Triton passes plain files by
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.commands.early import COMMAND
from export.data.golden import Arrays
from export.data.nulls import encoded_nulls, fill_arrays
from export.families.offline_online import repository as ranking
from export.families.offline_online.graphs import item_table
from export.families.offline_online.plan import FAMILY as RANKING
from export.families.offline_online.plan import Plan
from export.families.retrieve_and_rank.fused import write_fused_stages
from export.families.retrieve_and_rank.graphs import CandidateRankerGraph
from export.families.retrieve_and_rank.hops import HOPS, rank_candidates, verify_two_stages
from export.families.retrieve_and_rank.plan import (
    CANDIDATE_RANKER,
    FAMILY,
    MOST_CANDIDATES,
    TwoStages,
    retrieved_items,
    two_stage_configs,
)
from export.families.retrieve_and_rank.reference import GOLDEN, exact_candidates, two_stage_answers
from export.families.two_tower import refresh
from export.families.two_tower import repository as retrieval
from export.families.two_tower.plan import FAMILY as RETRIEVAL
from export.families.two_tower.plan import GOLDEN as RETRIEVAL_GOLDEN
from export.families.two_tower.plan import USER_VECTOR, RetrievalPlan
from export.families.two_tower.vectors import ITEM_VECTORS
from export.graphs.known_ids import id_counts
from export.parity.answers import Reference, encode_rows, read_reference, write_reference
from export.parity.compare import Differences
from export.parity.declared import require_declared
from export.parity.local import LocalRepository
from export.repository.members import begin_models, write_learned
from export.repository.options import plan_export
from export.repository.registry import RegisteredModel
from export.repository.result import read_result, require_hops, write_result
from preprocessing.schema import FittedSchema, read_fitted
from stage.output import rewritten_folder, whole_folder
from stage.progress import Report, steps
from training.checkpoint import load
from training.families.offline_online.model import OfflineOnline

_WRITE, _GOLDEN_STEP = f"write {CANDIDATE_RANKER}", "golden rows through both stages in torch"
_VERIFY_STEPS = tuple(f"verify {hop}" for hop in HOPS)


@dataclass(frozen=True)
class Source:
    """A trained model: its folder, and the version in the registry that the folder is of."""

    folder: str | Path
    registered: RegisteredModel | None = None


@dataclass(frozen=True)
class TwoStageOptions(retrieval.RetrievalOptions):
    """How a repository is to be exported; `candidates`: items that the ranker scores, at most."""

    candidates: int = MOST_CANDIDATES


def export_two_stages(
    ranker: Source, retriever: Source, data: str | Path, output: str | Path, options: TwoStageOptions
) -> dict[str, Any]:
    """Export, verify, put in place; the content of verify.json. Raises `ParityError` with nothing written.

    Args:
        ranker: An `offline_online` model.
        retriever: A `two_tower` model of the same fit.
        data: What both were trained on.
        output: The repository to write.
        options: Of both families.

    """
    data = Path(data)
    fitted, of_ranker = plan_export(Plan, ranker.folder, data, options, ranker.registered)
    cut = replace(options, top_k=of_ranker.top_k)
    _, of_retriever = plan_export(RetrievalPlan, retriever.folder, data, cut, retriever.registered)
    count = retrieved_items(fitted, of_ranker.top_k, options.candidates)
    of_retriever = replace(of_retriever, candidates=count)
    told = (
        *(_of(RETRIEVAL, each) for each in retrieval.EXPORT_STEPS),
        *(_of(RANKING, each) for each in ranking.EXPORT_STEPS),
        *(_WRITE, _GOLDEN_STEP, *_VERIFY_STEPS),
    )
    inputs = [ranker.folder, retriever.folder, data, *options.inputs]
    with whole_folder(output, options.overwrite, inputs, COMMAND) as folder, steps(told) as step:
        result: dict[str, Any] = {"family": FAMILY, "differences": {}}
        write_result(result, folder)
        of_retriever, retrieved = retrieval.write_retrieval(
            *(retriever.folder, data, folder, fitted, of_retriever, options.index, retriever.registered),
            lambda name: step(_of(RETRIEVAL, name)),
        )
        of_ranker, ranked = ranking.write_repository(
            *(ranker.folder, data, folder, fitted, of_ranker, options.stored, ranker.registered),
            lambda name: step(_of(RANKING, name)),
        )
        stages = TwoStages(of_ranker, of_retriever)
        whole: OfflineOnline = load(ranker.folder, "whole")
        reference = _write_second_stage(whole, stages, fitted, data, folder, step)
        is_exact = of_retriever.index == "exact"
        differences = verify_two_stages(folder, data, is_exact, _state(folder, fitted), reference, step)
        shared = {name: ranked[name] for name in ("schema_digest", "format", "top_k", "not_compiled", "tolerance")}
        result |= {**shared, "candidates": options.candidates, "retrieved": count, "differences": differences}
        write_result(result, folder)
        require_declared(folder)
    return {**result, RETRIEVAL: retrieved, RANKING: ranked}


def verify_two_stages_again(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Verify a repository against what torch answered when it was exported; rewrite its verify.json."""
    folder, data = Path(repository), Path(data)
    exported = read_result(folder, FAMILY)
    results = [retrieval.verified_again(folder, data), ranking.verified_again(folder, data)]
    require_hops(exported, HOPS, folder)
    with steps(_VERIFY_STEPS) as step:
        differences = _differences(folder, data, step)
    for result in (*results, {**exported, "differences": differences}):
        write_result(result, folder)
    return read_result(folder)


def refresh_two_stages(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """`refresh_items`, and what the ranker answers to the candidates that the new vectors give."""
    repository, data = Path(repository), Path(data)
    with rewritten_folder(repository, [data]) as folder, steps((*refresh.REFRESH_STEPS, *_VERIFY_STEPS)) as step:
        refresh.write_refreshed(repository, data, folder, step)
        fitted, _, plan = retrieval.read_exported(folder, data)
        features = fitted.schema_.request_features
        retrieved = read_reference(features, folder, RETRIEVAL_GOLDEN)
        encoded, vectors = encode_rows(features, data, retrieved.rows), np.load(folder / ITEM_VECTORS)
        write_fused_stages(plan, vectors, folder)
        candidates = exact_candidates(plan, retrieved.answers[USER_VECTOR], vectors, encoded)
        # The ranker itself did not change: it is held to torch since the export.
        reference = Reference(retrieved.rows, candidates)
        ranked = rank_candidates(LocalRepository(folder), data, _state(folder, fitted), reference)
        (folder / GOLDEN).unlink()
        write_reference(Reference(retrieved.rows, {**candidates, **ranked}), features, folder, GOLDEN)
        write_result({**read_result(folder), "differences": _differences(folder, data, step)}, folder)
        require_declared(folder)
        return read_result(folder)


def _write_second_stage(
    whole: OfflineOnline, stages: TwoStages, fitted: FittedSchema, data: Path, folder: Path, step: Report
) -> Reference:
    """Write the ranker of candidates, the ensemble, and what torch answers to the golden rows."""
    step(_WRITE)
    plan, features = stages.ranking, fitted.schema_.request_features
    nulls = encoded_nulls(features, data)
    begin_models(two_stage_configs(stages), folder)
    graph = CandidateRankerGraph(whole.online, item_table(whole), stages, nulls)
    write_learned(plan, graph, stages.ranker_inputs, plan.ranking, id_counts(fitted), folder / CANDIDATE_RANKER)
    vectors = np.load(folder / ITEM_VECTORS)
    write_fused_stages(stages.retrieval, vectors, folder)
    step(_GOLDEN_STEP)
    retrieved = read_reference(features, folder, RETRIEVAL_GOLDEN)
    encoded = fill_arrays(encode_rows(features, data, retrieved.rows), nulls)
    candidates = exact_candidates(stages.retrieval, retrieved.answers[USER_VECTOR], vectors, encoded)
    answers = {**candidates, **two_stage_answers(whole, stages, encoded, candidates)}
    reference = Reference(retrieved.rows, answers)
    write_reference(reference, features, folder, GOLDEN)
    return reference


def _differences(folder: Path, data: Path, step: Report) -> Differences:
    fitted, index = read_fitted(folder), read_result(folder, RETRIEVAL)["index"]
    reference = read_reference(fitted.schema_.request_features, folder, GOLDEN)
    return verify_two_stages(folder, data, index["kind"] == "exact", _state(folder, fitted), reference, step)


def _state(folder: Path, fitted: FittedSchema) -> Arrays:
    """Torch's offline state of the golden rows."""
    answers = read_reference(fitted.schema_.request_features, folder).answers
    return {name: values for name, values in answers.items() if name not in ("item_ids", "score")}


def _of(family: str, step: str) -> str:
    return f"{family}: {step}"
