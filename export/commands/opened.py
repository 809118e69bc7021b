"""An exported repository, opened again with the data from which it was exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export import families
from export.errors import EXPORT_AGAIN, RepositoryError
from export.families.family import Family
from export.families.options import source_of
from export.parity.answers import golden_file, read_reference
from export.parity.hop import Hop
from export.repository.job import Job
from export.repository.plans import read_plan
from export.repository.result import VERIFY, Result, read_result
from preprocessing.schema import FittedSchema, read_fitted, require_same_digest
from stage.progress import Report


@dataclass(frozen=True)
class Opened:
    """`result`: verify.json. `plans`: the plans of its families, in the order of writing."""

    folder: Path
    fitted: FittedSchema
    result: Result
    plans: dict[str, Any]

    @property
    def families(self) -> dict[str, Family[Any, Any, Any]]:
        return {name: families.find(name) for name in self.plans}


def open_repository(repository: str | Path) -> Opened:
    """Read the schema, verify.json and the plans of a repository.

    Raises:
        RepositoryError: The folder is not a repository of this version, or a verified model is missing.
        SchemaError: Its schema.json cannot be read.

    """
    folder = Path(repository)
    fitted, result = read_fitted(folder), read_result(folder, families.NAMES)
    plans: dict[str, Any] = {}
    for name, of_family in result.families.items():
        kind = families.find(name).plan_type
        plans[name] = read_plan(kind, of_family.plan, fitted, plans, f"{folder / VERIFY}: {name}")
    for name, plan in plans.items():
        for config in families.find(name).configs(plan):
            if not (folder / config.name / "config.pbtxt").is_file():
                raise RepositoryError(f"no {config.name} in {folder}: {EXPORT_AGAIN}")
    return Opened(folder, fitted, result, plans)


def job_of(opened: Opened, data: str | Path | None, folder: Path, report: Report) -> Job[Any]:
    """Return the job of a repository at `folder` with the golden rows of `opened`.

    Raises `SchemaError` if the data are of another fit, `GraphError` if they are missing or not needed,
    `RepositoryError` if the families' golden rows differ.
    """
    family, fitted = opened.result.family, opened.fitted
    source, golden = source_of(family, data, opened.folder), families.find(family).golden
    require_same_digest(read_fitted(source), fitted, f"the repository in {opened.folder}")
    files = [opened.folder / golden_file(name) for name in opened.plans]
    rows = [read_reference(file).rows for file in files]
    for file, own in zip(files, rows, strict=True):
        # A golden row may contain NaN, which differs from itself.
        if repr(own) != repr(rows[0]):
            raise RepositoryError(f"{file}: its golden rows differ from those of {files[0].name}: {EXPORT_AGAIN}")
    requests = golden.again(source, fitted, rows[0])
    if missing := [name for name in requests.columns.names if not all(name in row for row in rows[0])]:
        raise RepositoryError(f"{files[0]}: its golden rows lack {missing[0]}: {EXPORT_AGAIN}")
    return Job(folder, fitted, requests, report, opened.plans)


def hops_of(job: Job[Any]) -> tuple[Hop, ...]:
    """Return the hops of all families, those of shared models once.

    Raises `ValueError` if two hops of other models have one name: only one of them would be checked.
    """
    found: dict[str, Hop] = {}
    for name, plan in job.plans.items():
        for hop in families.find(name).hops(job, plan):
            before = found.setdefault(hop.name, hop)
            if before is not hop and not (before.shared and hop.shared):
                raise ValueError(f"family {name}: another hop is named {hop.name} too: give one of them another name")
    return tuple(found.values())
