"""The writer of a `two_tower` repository: towers, lookups, the index and everything with vectors."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.families.two_tower.graphs import ItemTowerGraph, UserTowerGraph
from export.families.two_tower.index.choice import choose_index
from export.families.two_tower.index.exact import write_exact
from export.families.two_tower.index.hnsw import FILE, write_hnsw
from export.families.two_tower.lookups import write_exclude_items, write_match
from export.families.two_tower.plan import (
    EXCLUDE_ITEMS,
    EXCLUDED,
    ITEM_INDEX,
    ITEM_TOWER,
    MATCH,
    RETRIEVE_FUSED,
    USER_TOWER,
    RetrievalPlan,
    configs,
    index_config,
)
from export.families.two_tower.vectors import Vectors, user_vectors, write_item_vectors
from export.graphs.fused import write_fused
from export.parity.local import LocalRepository
from export.repository.feature_requests import FeatureJob
from export.repository.members import begin_models, copy_python_model, write_configs, write_learned
from export.repository.models import Models
from export.repository.written import Written
from export.triton.files import ONNX, model_path, version_folder
from export.triton.plan import DECODE, PREPROCESS
from training.families.two_tower.model import TwoTower


@dataclass(frozen=True)
class Catalogue:
    """Precomputed vectors of all ids [I, D], and of users [U, D]."""

    item_vectors: Vectors
    users: list[str]
    user_vectors: Vectors


def write(job: FeatureJob, plan: RetrievalPlan, models: Models) -> Written[RetrievalPlan]:
    """Write all models of the plan, whose index is chosen here; `preprocess` and `decode` are already written."""
    # The choice of the index does not change the chain before it, which computes the users' vectors.
    begin_models(configs(replace(plan, index="exact")), job.folder)
    whole = models[plan.family].load(TwoTower)
    _write_towers(job, plan, whole)
    job.report("vectors of all users and items")
    items = whole_catalogue(whole)
    users, of_users = user_vectors(LocalRepository(job.folder), job.schema, job.requests.data)
    chosen, index, about = choose_index(plan, items, of_users, job.report)
    if not chosen.fused:
        shutil.rmtree(job.folder / RETRIEVE_FUSED, ignore_errors=True)
    write_catalogue(job, chosen, Catalogue(items, users, of_users), index)
    return Written(chosen, {"index": about, "users": len(users)})


def whole_catalogue(whole: TwoTower) -> Vectors:
    """Return torch's vectors of all ids, [I, D]."""
    import torch

    with torch.no_grad():
        vectors: Vectors = whole.catalogue().numpy()
    return vectors


def _write_towers(job: FeatureJob, plan: RetrievalPlan, whole: TwoTower) -> None:
    """Write everything that does not depend on the item vectors."""
    towers: tuple[Any, ...] = (
        (USER_TOWER, UserTowerGraph(whole.user, plan, job.requests.nulls), plan.encoded, plan.user_vector),
        (ITEM_TOWER, ItemTowerGraph(whole.item, plan), plan.item_inputs, plan.item_vector),
    )
    counts = job.counts(EXCLUDED.name)
    for name, graph, inputs, output in towers:
        job.report(f"write {name}")
        write_learned(plan.format, graph, inputs, (output,), counts, job.folder, name)
    write_exclude_items(job.item_ids, plan.excluded_sequences, model_path(job.folder, EXCLUDE_ITEMS))


def write_catalogue(job: FeatureJob, plan: RetrievalPlan, catalogue: Catalogue, index: Any) -> None:
    """Write everything with vectors: their file, `item_index`, `match` and the fused chain.

    `index`: the FAISS index of the item vectors, if the plan says HNSW.
    """
    folder = job.folder
    for name in (ITEM_INDEX, MATCH, *([RETRIEVE_FUSED] if plan.fused else [])):
        shutil.rmtree(version_folder(folder, name), ignore_errors=True)
        version_folder(folder, name).mkdir()
    write_item_vectors(folder, catalogue.item_vectors)
    job.report(f"write {ITEM_INDEX}")
    write_configs([index_config(plan)], folder)
    if plan.index == "exact":
        write_exact(catalogue.item_vectors, plan.top_k, model_path(folder, ITEM_INDEX), plan.retrieved)
    else:
        copy_python_model(ITEM_INDEX, folder)
        write_hnsw(index, version_folder(folder, ITEM_INDEX) / FILE)
    job.report(f"write {MATCH}")
    vectors = np.asarray(catalogue.item_vectors)
    write_match(catalogue.users, catalogue.user_vectors, job.item_ids, vectors, model_path(folder, MATCH))
    if plan.fused:
        job.report(f"write {RETRIEVE_FUSED}")
        _write_fused(plan, catalogue, folder)


def _write_fused(plan: RetrievalPlan, catalogue: Catalogue, folder: Path) -> None:
    """Write the chain as one graph; its index finds only K items, because a top-k of 350 takes 3 times one of 100."""
    chain = {name: model_path(folder, name) for name in (PREPROCESS, USER_TOWER, EXCLUDE_ITEMS, ITEM_INDEX, DECODE)}
    answer = [tensor.name for tensor in plan.answer]
    request = [tensor.name for tensor in plan.retrieve_request]
    with tempfile.TemporaryDirectory() as scratch:
        if plan.retrieved:
            chain[ITEM_INDEX] = Path(scratch) / ONNX
            write_exact(catalogue.item_vectors, plan.top_k, chain[ITEM_INDEX])
        write_fused(chain, answer, model_path(folder, RETRIEVE_FUSED), request)
