"""Write a whole model repository, verified before it takes its place.

REPOSITORY/
  preprocess/ preprocess_nvtabular/ offline_encoder/ online_ranker/ decode/     what Triton loads
  user_embedding/                                                               the states of users, stored
  recommend/ recommend_nvtabular/ recommend_fused/ recommend_stored/            and what clients call
  schema.json verify.json golden.parquet     Triton passes plain files by
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.commands.early import COMMAND
from export.data.golden import count_recorded, golden_rows
from export.data.nulls import encoded_nulls, fill_arrays
from export.families.offline_online.plan import (
    DECODE,
    ENCODER,
    FAMILY,
    PREPROCESS,
    PREPROCESS_NVTABULAR,
    RANKER,
    RECOMMEND_FUSED,
    Plan,
)
from export.families.offline_online.stored.hops import STORED_HOPS, verify_stored
from export.families.offline_online.stored.models import USER_EMBEDDING, nothing_to_store, require_free_names
from export.families.offline_online.stored.repository import add_store
from export.parity.answers import (
    Reference,
    encode_rows,
    part_answers,
    read_reference,
    whole_answers,
    write_reference,
)
from export.parity.compare import HOPS, RECORDED, compare_rankings, compare_tensors, verify_repository
from export.parity.declared import require_declared
from export.repository.members import compile_preprocess, write_members
from export.repository.options import Options, plan_export
from export.repository.registry import RegisteredModel
from export.repository.result import describe_export, read_result, require_hops, versions, write_result
from preprocessing.schema import FittedSchema, read_fitted, require_same_digest
from stage.output import whole_folder
from stage.progress import Report, steps
from training.checkpoint import load

_LOAD, _COMPILE, _GOLDEN = "load the model", f"write {PREPROCESS}", "golden rows through torch"
_WRITTEN = (PREPROCESS_NVTABULAR, ENCODER, RANKER, DECODE, RECOMMEND_FUSED)
_STORE = f"write {USER_EMBEDDING}"
VERIFY_STEPS = tuple(f"verify {hop}" for hop in (*HOPS, *STORED_HOPS))
EXPORT_STEPS = (_LOAD, _COMPILE, *(f"write {each}" for each in _WRITTEN), _GOLDEN, _STORE, *VERIFY_STEPS)


def export_repository(
    model: str | Path,
    data: str | Path,
    output: str | Path,
    options: Options,
    registered: RegisteredModel | None = None,
) -> dict[str, Any]:
    """Export, verify, put in place; the content of verify.json. Raises `ParityError` with nothing written.

    `registered`: the version in the registry that the folder `model` is of.
    """
    fitted, wanted = plan_export(Plan, model, data, options, registered)
    inputs = [model, data, *options.inputs]
    with whole_folder(output, options.overwrite, inputs, COMMAND) as folder, steps(EXPORT_STEPS) as step:
        _, result = write_repository(model, Path(data), folder, fitted, wanted, options.stored, registered, step)
        require_declared(folder)
    return result


def write_repository(
    model: str | Path,
    data: Path,
    folder: Path,
    fitted: FittedSchema,
    wanted: Plan,
    stored: bool,
    registered: RegisteredModel | None,
    step: Report,
) -> tuple[Plan, dict[str, Any]]:
    """Fill `folder`, which no server sees yet; the plan as it could be carried out, and the content of verify.json."""
    features = fitted.schema_.request_features
    not_stored = nothing_to_store(fitted.schema_) if stored else ""
    stored = stored and not not_stored
    if stored:
        require_free_names(fitted.schema_)
    step(_LOAD)
    whole = load(model, "whole")
    step(_COMPILE)
    plan, refusal = compile_preprocess(wanted, data, folder)
    nulls = encoded_nulls(features, data)
    write_members(whole, plan, nulls, data, folder, step)
    step(_GOLDEN)
    rows = golden_rows(data, fitted)
    encoded = fill_arrays(encode_rows(features, data, rows), nulls)
    reference = Reference(rows, whole_answers(whole, plan, encoded))
    parts = part_answers(load(model, "offline"), load(model, "online"), plan, encoded)
    states = {name: values for name, values in reference.answers.items() if name in _names(plan)}
    apart = compare_tensors("torch_parts", states, parts, tolerance=0.0)
    ranked = compare_rankings("torch_parts", reference.answers, parts["item_ids"], parts["score"], tolerance=0.0)
    write_reference(reference, features, folder)
    (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
    about: dict[str, Any] = {"not_stored": not_stored} if not_stored else {}
    if stored:
        step(_STORE)
        about = {"stored": add_store(plan, fitted, data, folder)}
    differences = verify_repository(folder, data, fitted, reference, step)
    differences |= verify_stored(folder, data, fitted, reference, replaced=False, report=step)
    recorded = count_recorded(data, RECORDED)
    found = {"torch_parts": max(apart, ranked), **differences}
    result = {**describe_export(plan, refusal, len(rows), recorded, found, registered), **about}
    write_result(result, folder)
    return plan, result


def verify_again(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Verify an exported repository against what torch answered when it was exported; rewrite its verify.json.

    `torch_parts` stays as it was: the trained model itself is not at hand. Raises `ParityError`, the file left as is.
    """
    result = verified_again(Path(repository), data)
    write_result(result, Path(repository))
    return result


def verified_again(repository: Path, data: str | Path) -> dict[str, Any]:
    """What verify.json is to say of this family; nothing is written."""
    fitted = read_fitted(repository)
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    exported = read_result(repository, FAMILY)
    before = exported["differences"]
    require_hops(exported, (*HOPS, *STORED_HOPS), repository)
    reference = read_reference(fitted.schema_.request_features, repository)
    with steps(VERIFY_STEPS) as step:
        differences = verify_repository(repository, data, fitted, reference, step)
        replaced = exported.get("stored", {}).get("replaced", False)
        differences |= verify_stored(repository, data, fitted, reference, replaced, step)
    return {**exported, "differences": {**before, **differences}, "versions": versions()}


def _names(plan: Plan) -> set[str]:
    return {tensor.name for tensor in plan.state}
