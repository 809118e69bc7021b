"""Write a whole repository of the family `two_tower`, verified before it takes its place; refresh its item vectors.

REPOSITORY/
  preprocess/ preprocess_nvtabular/ user_tower/ exclude_items/ item_index/ decode/     what Triton loads
  item_tower/ match/ retrieve/ retrieve_nvtabular/ retrieve_fused/                     and what clients call
  schema.json verify.json golden.parquet item_vectors.npy                              Triton passes plain files by
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import RepositoryError
from export.golden import count_recorded, golden_rows, read_item_ids
from export.linked_copy import copy_linked
from export.local import LocalRepository
from export.members import compile_preprocess
from export.non_finite import encoded_nulls, fill_arrays
from export.options import Options, plan_export
from export.progress import steps
from export.recommend import DECODE, PREPROCESS, PREPROCESS_NVTABULAR
from export.reference import Reference, encode_rows, read_reference, write_reference
from export.registry import RegisteredModel
from export.result import describe_export, read_result, versions, write_result
from export.retrieval.choice import Wanted, choose_index, rebuild_index
from export.retrieval.members import Catalogue, write_catalogue, write_towers
from export.retrieval.plan import (
    ITEM_INDEX,
    ITEM_TOWER,
    ITEM_VECTOR,
    MATCH,
    RETRIEVE_FUSED,
    RETRIEVE_NVTABULAR,
    USER_TOWER,
    USER_VECTOR,
    RetrievalPlan,
)
from export.retrieval.reference import part_vectors, ranking, whole_vectors
from export.retrieval.vectors import ITEM_VECTORS, Vectors, current_items, fitted_items, item_vectors, user_vectors
from export.retrieval.verify import HOPS, verify_retrieval
from export.verify import RECORDED, compare_tensors
from preprocessing.schema import FittedSchema, read_fitted, require_same_digest
from stage.output import whole_folder
from training.checkpoint import load

_LOAD, _COMPILE, _GOLDEN = "load the model", f"write {PREPROCESS}", "golden rows through torch"
_VECTORS, _TRY = "vectors of all users and items", "try the index"
_WRITTEN = (PREPROCESS_NVTABULAR, USER_TOWER, ITEM_TOWER, DECODE)
_HOLDING_VECTORS = tuple(f"write {each}" for each in (ITEM_INDEX, MATCH, RETRIEVE_FUSED))
_VERIFY_STEPS = tuple(f"verify {hop}" for hop in HOPS)
_EXPORT_STEPS = (
    *(_LOAD, _COMPILE, *(f"write {each}" for each in _WRITTEN), _GOLDEN, _VECTORS, _TRY),
    *(*_HOLDING_VECTORS, *_VERIFY_STEPS),
)


@dataclass(frozen=True)
class RetrievalOptions(Options):
    """How a repository is to be exported; `index`: which index, `auto` by the size of the catalogue and measured."""

    index: Wanted = "auto"


def export_retrieval(
    model: str | Path,
    data: str | Path,
    output: str | Path,
    options: RetrievalOptions,
    registered: RegisteredModel | None = None,
) -> dict[str, Any]:
    """Export, verify, put in place; the content of verify.json. Raises `ParityError` with nothing written."""
    fitted, wanted = plan_export(RetrievalPlan, model, data, options, registered)
    data = Path(data)
    features = fitted.schema_.request_features
    with whole_folder(output, options.overwrite) as folder, steps(_EXPORT_STEPS) as step:
        step(_LOAD)
        whole = load(model, "two_tower")
        step(_COMPILE)
        plan, refusal = compile_preprocess(wanted, data, folder)
        nulls = encoded_nulls(features, data)
        write_towers(whole, plan, nulls, data, folder, step)
        step(_GOLDEN)
        rows, items = golden_rows(data, fitted), fitted_items(fitted.schema_, data)
        encoded = fill_arrays(encode_rows(features, data, rows), nulls)
        vectors = whole_vectors(whole, plan, encoded)
        parts = part_vectors(load(model, "user_tower"), load(model, "item_tower"), plan, encoded, items)
        apart = compare_tensors("torch_parts", vectors, parts, tolerance=0.0)
        torch_items = vectors.pop(ITEM_VECTOR)
        reference = Reference(rows, {**vectors, **ranking(plan, vectors[USER_VECTOR], torch_items, encoded)})
        step(_VECTORS)
        users, of_users = user_vectors(LocalRepository(folder), fitted.schema_, data)
        plan, index, about = choose_index(plan, options.index, torch_items, of_users, step)
        catalogue = Catalogue(read_item_ids(data), torch_items, users, of_users)
        _drop_unserved(plan, folder)
        write_catalogue(plan, catalogue, index, folder, step)
        _write_plain_files(folder, fitted, reference, torch_items)
        differences = verify_retrieval(folder, data, plan, reference, items, torch_items, step)
        recorded = count_recorded(data, RECORDED)
        found = {"torch_parts": apart, **differences}
        result = describe_export(plan, refusal, len(rows), recorded, found, registered)
        result |= {"index": about, "users": len(users), "refreshed": False}
        write_result(result, folder)
    return result


def refresh_items(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Compute the item vectors anew from the item table of `data`, and all that holds them; whole or not at all.

    The towers stay. The repository is written beside and renamed: a server that has it loaded goes on with the old
    vectors until it is told to load the new ones. The content of verify.json.
    """
    fitted, exported, plan = _exported(repository, data)
    data = Path(data)
    refreshing = (_VECTORS, *_HOLDING_VECTORS, *_VERIFY_STEPS)
    with whole_folder(repository, overwrite=True) as folder, steps(refreshing) as step:
        _copy_but_vectors(Path(repository), folder)
        step(_VECTORS)
        items, local = current_items(fitted, data), LocalRepository(repository)
        vectors = item_vectors(local, items)
        users, of_users = user_vectors(local, fitted.schema_, data)
        index, about = rebuild_index(plan, vectors, of_users)
        write_catalogue(plan, Catalogue(read_item_ids(data), vectors, users, of_users), index, folder, step)
        reference = _ranked_anew(
            plan, fitted, data, read_reference(fitted.schema_.request_features, repository), vectors
        )
        _write_plain_files(folder, fitted, reference, vectors)
        differences = verify_retrieval(folder, data, plan, reference, items, vectors, step)
        result = {**exported, "differences": {**exported["differences"], **differences}, "versions": versions()}
        result |= {"index": {**exported["index"], **about}, "users": len(users), "refreshed": True}
        write_result(result, folder)
    return result


def verify_retrieval_again(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Verify a repository against what torch answered when it was exported; rewrite its verify.json."""
    fitted, exported, plan = _exported(repository, data)
    folder, data = Path(repository), Path(data)
    missing = [hop for hop in exported["differences"] if hop in HOPS and not (folder / hop / "config.pbtxt").is_file()]
    if missing:
        raise RepositoryError(f"no {missing[0]} in {repository}: export the repository again")
    reference = read_reference(fitted.schema_.request_features, repository)
    items = current_items(fitted, data) if exported["refreshed"] else fitted_items(fitted.schema_, data)
    with steps(_VERIFY_STEPS) as step:
        differences = verify_retrieval(folder, data, plan, reference, items, _read_vectors(folder, plan, fitted), step)
    result = {**exported, "differences": {**exported["differences"], **differences}, "versions": versions()}
    write_result(result, folder)
    return result


def _exported(repository: str | Path, data: str | Path) -> tuple[FittedSchema, dict[str, Any], RetrievalPlan]:
    """The schema, verify.json and the plan of what `export_retrieval` wrote."""
    fitted, exported = read_fitted(repository), read_result(repository)
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    if "index" not in exported:
        raise RepositoryError(f"{repository}: has no item index: give the repository of a two_tower model")
    local = LocalRepository(repository)
    config = local.config(ITEM_INDEX)
    plan = RetrievalPlan(
        schema=fitted.schema_,
        dim=config.inputs[0].dims[0],
        top_k=exported["top_k"],
        max_batch_size=config.max_batch_size,
        format=exported["format"],
        exclude_seen=exported["exclude_seen"],
        digest=fitted.digest,
        compiled=local.holds(PREPROCESS),
        reference_path=local.holds(RETRIEVE_NVTABULAR),
        index=exported["index"]["kind"],
        ef_search=exported["index"].get("ef_search", 0),
    )
    return fitted, exported, plan


def _drop_unserved(plan: RetrievalPlan, folder: Path) -> None:
    """Take away the fused chain that was configured before the index was chosen, where there cannot be one."""
    if not plan.fused:
        shutil.rmtree(folder / RETRIEVE_FUSED, ignore_errors=True)


def _copy_but_vectors(source: Path, folder: Path) -> None:
    """All but what holds vectors."""
    left_out = {f"{each}/1" for each in (ITEM_INDEX, MATCH, RETRIEVE_FUSED)}
    left_out |= {"golden.parquet", "verify.json", "schema.json", ITEM_VECTORS}

    copy_linked(source, folder, left_out)


def _ranked_anew(
    plan: RetrievalPlan, fitted: FittedSchema, data: Path, reference: Reference, vectors: Vectors
) -> Reference:
    """Torch's vectors of the golden rows, ranked against other item vectors."""
    users = reference.answers[USER_VECTOR]
    encoded = encode_rows(fitted.schema_.request_features, data, reference.rows)
    return Reference(reference.rows, {USER_VECTOR: users, **ranking(plan, users, vectors, encoded)})


def _write_plain_files(folder: Path, fitted: FittedSchema, reference: Reference, vectors: Vectors) -> None:
    write_reference(reference, fitted.schema_.request_features, folder)
    np.save(folder / ITEM_VECTORS, vectors)
    (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")


def _read_vectors(folder: Path, plan: RetrievalPlan, fitted: FittedSchema) -> Vectors:
    path = folder / ITEM_VECTORS
    try:
        vectors: Vectors = np.load(path)
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{path}: cannot be read ({error}): export the repository again") from None
    if vectors.shape != (fitted.items, plan.dim):
        raise RepositoryError(
            f"{path}: holds vectors {list(vectors.shape)}, expected {[fitted.items, plan.dim]}: export again"
        )
    return vectors
