"""`export repository`: write a whole model repository, verified before it takes its place.

REPOSITORY/
  preprocess/ preprocess_nvtabular/ decode/ …     one folder per model, see `configs` of each family
  schema.json verify.json golden.FAMILY.parquet   plain files, which Triton ignores
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from export.commands.early import COMMAND
from export.commands.opened import hops_of
from export.errors import GraphError
from export.families import find
from export.families.family import Wanted
from export.families.options import FamilyOptions, all_flags, flags, source_of
from export.parity.compare import TOLERANCE
from export.parity.declared import require_declared
from export.parity.hop import check_hops
from export.repository.job import Job
from export.repository.models import Models, Trained
from export.repository.options import RepositoryOptions, cut_to_catalogue
from export.repository.plans import joined_plans, plan_as_json, with_plans
from export.repository.registry import SCHEME, model_folder
from export.repository.result import FamilyResult, Result, versions, write_result
from preprocessing.schema import read_fitted, require_same_digest
from stage.flags import flag, read_values
from stage.mlflow_store import store_paths
from stage.output import whole_folder
from stage.progress import steps


@dataclass(frozen=True)
class Request:
    """The request of an export.

    `models`: folders or models:/ names by flag, such as `model`. `own`: values, by field name, of flags that only some
    families have.
    """

    models: Mapping[str, str]
    shared: RepositoryOptions = field(default_factory=RepositoryOptions)
    own: Mapping[str, Any] = field(default_factory=dict)
    tracking_uri: str | None = None
    overwrite: bool = False


def export_repository(request: Request, data: str | Path | None, output: str | Path) -> dict[str, Any]:
    """Write and verify a repository, put it in place, and return the content of verify.json.

    `data`: None for families that need none.

    Raises:
        GraphError: No family has these models or such a flag; the data are missing, or not needed.
        ParityError: A hop differs from the trained model; then nothing is written.
        SchemaError: A model and the data are of different fits.

    """
    with ExitStack() as stack:
        given = {
            name: Trained(*stack.enter_context(model_folder(model, request.tracking_uri)))
            for name, model in request.models.items()
        }
        family = _family(request, given)
        options = _options(family, request)
        models = {need.family: given[name] for name, need in flags(family).needs.items()}
        source = source_of(family, data, given["model"].folder)
        fitted = read_fitted(source)
        for model in models.values():
            require_same_digest(fitted, read_fitted(model.folder), model.shown)
        top_k = cut_to_catalogue("--top-k", request.shared.top_k, fitted, "an answer holds")
        shared = find(family).settle(request.shared.model_copy(update={"top_k": top_k}), models)
        inputs = [*(model.folder for model in models.values()), source, *_stores(request)]
        folder = stack.enter_context(whole_folder(output, request.overwrite, inputs, COMMAND))
        report = stack.enter_context(steps("export"))
        job = Job(folder, fitted, find(family).golden.make(source, fitted, models), report)
        result = _write(job, family, models, shared, options)
        require_declared(folder)
    return result.model_dump(exclude_none=True)


def _write(
    job: Job[Any], family: str, models: Models, shared: RepositoryOptions, options: Mapping[str, FamilyOptions]
) -> Result:
    """Fill the job's folder, which no server sees yet; `options`: those of each family, in the order of writing."""
    (job.folder / "schema.json").write_text(job.fitted.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
    of_all = find(family).golden.write(job, shared)
    for name, own in options.items():
        plan = find(name).plan(job, models, Wanted(shared, own, compiled=not of_all.not_compiled))
        job.plans.update({**joined_plans(plan), name: plan})
    families: dict[str, FamilyResult] = {}
    apart = 0.0
    for name in options:
        of_family = find(name)
        written = of_family.write(job, with_plans(job.plans[name], job.plans), models)
        job.plans[name] = written.plan
        job.report(f"golden rows of {name} through torch")
        torch = of_family.reference(job, written.plan, models)
        job.write_golden(name, torch.answers)
        apart = max(apart, torch.torch_parts)
        registered = models[name].registered if name in models else None
        families[name] = FamilyResult(
            plan=plan_as_json(written.plan),
            about=written.about,
            registered_model=registered.as_json() if registered else None,
        )
    result = Result(
        family=family,
        schema_digest=job.fitted.digest,
        format=shared.format,
        top_k=shared.top_k,
        exclude_seen=shared.exclude_seen,
        not_compiled=of_all.not_compiled,
        rows=len(job.requests.rows),
        recorded_rows=of_all.recorded_rows,
        tolerance=TOLERANCE,
        differences={"torch_parts": apart, **check_hops(hops_of(job), job.report)},
        versions=versions(),
        families=families,
    )
    write_result(result, job.folder)
    return result


def _family(request: Request, given: Mapping[str, Trained]) -> str:
    """Return the family of which these models are a repository."""
    candidates = {name: each.needs for name, each in all_flags().items() if each.needs.keys() == given.keys()}
    wrong: list[tuple[str, str]] = []
    for name, needs in candidates.items():
        others = [(each, need.family) for each, need in needs.items() if given[each].config.family != need.family]
        if not others:
            return name
        wrong = wrong or others
    if len(candidates) == 1:
        [(each, expected), *_] = wrong
        seen = given[each].config.family
        raise GraphError(f"{flag(each)} {request.models[each]}: is a model of family {seen}, give one of {expected}")
    raise GraphError(f"--model {request.models['model']}: family {given['model'].config.family} has no export")


def _options(family: str, request: Request) -> dict[str, FamilyOptions]:
    """Return the own options of the family and of those that it joins, in the order of writing.

    Raises `GraphError` if a flag belongs to none of them.
    """
    chain = dict.fromkeys([*(need.family for need in flags(family).needs.values()), family])
    kinds = {name: flags(name).options for name in chain}
    for name, value in request.own.items():
        if value is False or any(name in kind.model_fields for kind in kinds.values()):
            continue
        owner, needs = next((o, f.needs) for o, f in all_flags().items() if name in f.options.model_fields)
        if value == flags(owner).options.model_fields[name].default:
            continue
        missing = [flag(each) for each in needs if each not in request.models]
        remedy = f"give {' and '.join(missing)} too, or leave it out" if missing else "leave it out"
        raise GraphError(
            f"{flag(name)}: is for {owner} repositories, --model {request.models['model']} is exported as {family}: "
            f"{remedy}"
        )
    return {name: read_values(request.own, kind) for name, kind in kinds.items()}


def _stores(request: Request) -> tuple[Path, ...]:
    """Return the files of the store from which a models:/ name is read."""
    named = any(model.startswith(SCHEME) for model in request.models.values())
    return store_paths(request.tracking_uri) if named else ()
