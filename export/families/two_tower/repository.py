"""Write a whole repository of the family `two_tower`, verified before it takes its place.

REPOSITORY/
  preprocess/ preprocess_nvtabular/ user_tower/ exclude_items/ item_index/ decode/     what Triton loads
  item_tower/ match/ retrieve/ retrieve_nvtabular/ retrieve_fused/                     and what clients call
  schema.json verify.json golden_retrieval.parquet item_vectors.npy                    Triton passes plain files by
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from export.commands.early import COMMAND
from export.data.golden import count_recorded, golden_rows, read_item_ids
from export.data.nulls import encoded_nulls, fill_arrays
from export.errors import RepositoryError
from export.families.offline_online.plan import DECODE, PREPROCESS, PREPROCESS_NVTABULAR
from export.families.two_tower.hops import HOPS, verify_retrieval
from export.families.two_tower.index.choice import Wanted, choose_index
from export.families.two_tower.plan import (
    CANDIDATES,
    FAMILY,
    GOLDEN,
    ITEM_INDEX,
    ITEM_TOWER,
    ITEM_VECTOR,
    MATCH,
    RETRIEVE_FUSED,
    RETRIEVE_NVTABULAR,
    USER_TOWER,
    USER_VECTOR,
    IndexKind,
    RetrievalPlan,
)
from export.families.two_tower.reference import part_vectors, ranking, whole_vectors
from export.families.two_tower.vectors import (
    ITEM_VECTORS,
    Vectors,
    current_items,
    fitted_items,
    read_item_vectors,
    user_vectors,
)
from export.families.two_tower.write import Catalogue, write_catalogue, write_towers
from export.parity.answers import Reference, encode_rows, read_reference, write_reference
from export.parity.compare import RECORDED, compare_tensors
from export.parity.declared import require_declared
from export.parity.local import LocalRepository
from export.repository.members import compile_preprocess
from export.repository.options import Options, plan_export
from export.repository.registry import RegisteredModel
from export.repository.result import describe_export, read_result, require_hops, versions, write_result
from preprocessing.schema import FittedSchema, read_fitted, require_same_digest
from stage.output import whole_folder
from stage.progress import Report, steps
from training.checkpoint import load

_LOAD, _COMPILE, _GOLDEN = "load the model", f"write {PREPROCESS}", "golden rows through torch"
VECTORS, _TRY = "vectors of all users and items", "try the index"
_WRITTEN = (PREPROCESS_NVTABULAR, USER_TOWER, ITEM_TOWER, DECODE)
HOLDING_VECTORS = tuple(f"write {each}" for each in (ITEM_INDEX, MATCH, RETRIEVE_FUSED))
VERIFY_STEPS = tuple(f"verify {hop}" for hop in HOPS)
EXPORT_STEPS = (
    *(_LOAD, _COMPILE, *(f"write {each}" for each in _WRITTEN), _GOLDEN, VECTORS, _TRY),
    *(*HOLDING_VECTORS, *VERIFY_STEPS),
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
    inputs = [model, data, *options.inputs]
    with whole_folder(output, options.overwrite, inputs, COMMAND) as folder, steps(EXPORT_STEPS) as step:
        _, result = write_retrieval(model, Path(data), folder, fitted, wanted, options.index, registered, step)
        require_declared(folder)
    return result


def write_retrieval(
    model: str | Path,
    data: Path,
    folder: Path,
    fitted: FittedSchema,
    wanted: RetrievalPlan,
    wanted_index: Wanted,
    registered: RegisteredModel | None,
    step: Report,
) -> tuple[RetrievalPlan, dict[str, Any]]:
    """Fill `folder`, which no server sees yet; the plan as it could be carried out, and the content of verify.json."""
    features = fitted.schema_.request_features
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
    step(VECTORS)
    users, of_users = user_vectors(LocalRepository(folder), fitted.schema_, data)
    plan, index, about = choose_index(plan, wanted_index, torch_items, of_users, step)
    catalogue = Catalogue(read_item_ids(data), torch_items, users, of_users)
    _drop_unserved(plan, folder)
    write_catalogue(plan, catalogue, index, folder, step)
    write_plain_files(folder, fitted, reference, torch_items)
    differences = verify_retrieval(folder, data, plan, reference, items, torch_items, step)
    recorded = count_recorded(data, RECORDED)
    result = describe_export(plan, refusal, len(rows), recorded, {"torch_parts": apart, **differences}, registered)
    result |= {"index": about, "users": len(users), "refreshed": False}
    write_result(result, folder)
    return plan, result


def verify_retrieval_again(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Verify a repository against what torch answered when it was exported; rewrite its verify.json."""
    result = verified_again(Path(repository), Path(data))
    write_result(result, Path(repository))
    return result


def verified_again(repository: Path, data: Path) -> dict[str, Any]:
    """What verify.json is to say of this family; nothing is written."""
    fitted, exported, plan = read_exported(repository, data)
    require_hops(exported, HOPS, repository)
    reference = read_reference(fitted.schema_.request_features, repository, GOLDEN)
    items = current_items(fitted, data) if exported["refreshed"] else fitted_items(fitted.schema_, data)
    vectors = read_item_vectors(repository, fitted.items, plan.dim)
    with steps(VERIFY_STEPS) as step:
        differences = verify_retrieval(repository, data, plan, reference, items, vectors, step)
    return {**exported, "differences": {**exported["differences"], **differences}, "versions": versions()}


def read_exported(repository: str | Path, data: str | Path) -> tuple[FittedSchema, dict[str, Any], RetrievalPlan]:
    """The schema, verify.json and the plan of what `export_retrieval` wrote."""
    fitted, exported = read_fitted(repository), read_result(repository, FAMILY)
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    index = exported.get("index", {})
    if index.get("kind") not in get_args(IndexKind):
        raise RepositoryError(f"{repository}/verify.json: says nothing of the item index: export the repository again")
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
        index=index["kind"],
        ef_search=index.get("ef_search", 0),
        candidates=next((each.dims[0] for each in config.outputs if each.name == CANDIDATES), 0),
    )
    return fitted, exported, plan


def _drop_unserved(plan: RetrievalPlan, folder: Path) -> None:
    """Take away the fused chain that was configured before the index was chosen, where there cannot be one."""
    if not plan.fused:
        shutil.rmtree(folder / RETRIEVE_FUSED, ignore_errors=True)


def write_plain_files(folder: Path, fitted: FittedSchema, reference: Reference, vectors: Vectors) -> None:
    write_reference(reference, fitted.schema_.request_features, folder, GOLDEN)
    np.save(folder / ITEM_VECTORS, vectors)
    (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
