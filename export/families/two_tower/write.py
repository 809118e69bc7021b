"""Write the models of a `two_tower` repository: configs, towers, lookups, the index."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.data.golden import read_item_ids
from export.data.nulls import Nulls
from export.families.offline_online.plan import DECODE, PREPROCESS
from export.families.two_tower.graphs import ItemTowerGraph, UserTowerGraph
from export.families.two_tower.index.exact import write_exact
from export.families.two_tower.index.hnsw import FILE, Vectors, write_hnsw
from export.families.two_tower.lookups import write_exclude_items, write_match
from export.families.two_tower.plan import (
    EXCLUDE_ITEMS,
    ITEM_INDEX,
    ITEM_TOWER,
    MATCH,
    RETRIEVE_FUSED,
    USER_TOWER,
    RetrievalPlan,
    index_config,
    retrieval_configs,
)
from export.graphs.fused import write_fused
from export.graphs.known_ids import id_counts
from export.graphs.onnx import write_decode
from export.repository.members import COMMITTED, ONNX, begin_models, write_learned, write_reference_path
from export.triton.config import to_text
from preprocessing.schema import read_fitted
from stage.progress import Report
from training.families.two_tower.model import TwoTower


@dataclass(frozen=True)
class Catalogue:
    """What is precomputed: raw ids and vectors of items, row r of id r [I, D], and of users [U, D]."""

    item_ids: list[str]
    item_vectors: Vectors
    users: list[str]
    user_vectors: Vectors


def write_towers(whole: TwoTower, plan: RetrievalPlan, nulls: Nulls, data: Path, folder: Path, report: Report) -> None:
    """Write all that does not depend on the item vectors; the graph of `preprocess` is there already."""
    begin_models(retrieval_configs(plan), folder)
    write_reference_path(plan, data, folder, report)
    towers: tuple[Any, ...] = (
        (USER_TOWER, UserTowerGraph(whole.user, plan, nulls), plan.encoded, plan.user_vector),
        (ITEM_TOWER, ItemTowerGraph(whole.item, plan), plan.item_inputs, plan.item_vector),
    )
    counts = id_counts(read_fitted(data))
    for name, graph, inputs, output in towers:
        report(f"write {name}")
        write_learned(plan, graph, inputs, (output,), counts, folder / name)
    report(f"write {DECODE}")
    item_ids = read_item_ids(data)
    write_decode(item_ids, plan.top_k, folder / DECODE / "1" / ONNX)
    write_exclude_items(item_ids, plan.excluded_sequences, folder / EXCLUDE_ITEMS / "1" / ONNX)


def write_catalogue(plan: RetrievalPlan, catalogue: Catalogue, index: Any, folder: Path, report: Report) -> None:
    """Write what holds vectors: `item_index`, `match` and the fused chain, over nothing of their own that was there.

    `index`: the FAISS index of the item vectors, where the plan says HNSW.
    """
    for name in (ITEM_INDEX, MATCH, RETRIEVE_FUSED):
        shutil.rmtree(folder / name / "1", ignore_errors=True)
    report(f"write {ITEM_INDEX}")
    version = folder / ITEM_INDEX / "1"
    version.mkdir()
    (folder / ITEM_INDEX / "config.pbtxt").unlink(missing_ok=True)
    (folder / ITEM_INDEX / "config.pbtxt").write_text(to_text(index_config(plan)), encoding="utf-8")
    if plan.index == "exact":
        write_exact(catalogue.item_vectors, plan.top_k, version / ONNX, plan.candidates)
    else:
        shutil.copy2(COMMITTED / ITEM_INDEX / "1" / "model.py", version / "model.py")
        write_hnsw(index, version / FILE)
    report(f"write {MATCH}")
    (folder / MATCH / "1").mkdir()
    write_match(
        catalogue.users,
        catalogue.user_vectors,
        catalogue.item_ids,
        np.asarray(catalogue.item_vectors),
        folder / MATCH / "1" / ONNX,
    )
    if plan.fused:
        report(f"write {RETRIEVE_FUSED}")
        (folder / RETRIEVE_FUSED / "1").mkdir()
        _write_fused(plan, catalogue, folder)


def _write_fused(plan: RetrievalPlan, catalogue: Catalogue, folder: Path) -> None:
    """The chain as one graph; its index finds no more than K: a top-k of 350 takes three times that of 100."""
    chain = {name: folder / name / "1" / ONNX for name in (PREPROCESS, USER_TOWER, EXCLUDE_ITEMS, ITEM_INDEX, DECODE)}
    answer = [tensor.name for tensor in plan.answer]
    request = [tensor.name for tensor in plan.retrieve_request]
    with tempfile.TemporaryDirectory() as scratch:
        if plan.candidates:
            chain[ITEM_INDEX] = Path(scratch) / ONNX
            write_exact(catalogue.item_vectors, plan.top_k, chain[ITEM_INDEX])
        write_fused(chain, answer, folder / RETRIEVE_FUSED / "1" / ONNX, request)
