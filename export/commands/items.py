"""`export items`: compute the item vectors of a repository again, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.commands.opened import hops_of, job_of, open_repository
from export.errors import RepositoryError
from export.parity.declared import require_declared
from export.parity.hop import check_hops
from export.repository.linked_copy import copy_linked
from export.repository.plans import plan_as_json, with_plans
from export.repository.result import FamilyResult, versions, write_result
from stage.output import rewritten_folder
from stage.progress import steps


def refresh(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Refresh the item vectors and everything with them, completely or not at all; return the content of verify.json.

    The repository is written next to itself and renamed: a server that has loaded it keeps the old vectors until
    it reloads the models.

    Raises:
        RepositoryError: The repository has no item vectors.
        ParityError: A hop of the new repository differs; the old one is unchanged.

    """
    opened = open_repository(repository)
    refreshes = {name: family.refresh for name, family in opened.families.items() if family.refresh is not None}
    if not refreshes:
        raise RepositoryError(f"{repository}: has no item index: export it with a model that retrieves")
    with rewritten_folder(repository, [data]) as folder, steps("refresh") as report:
        left_out = {path for name, each in refreshes.items() for path in each.rewritten(opened.plans[name])}
        copy_linked(opened.folder, folder, left_out)
        job = job_of(opened, data, folder, report)
        families = dict(opened.result.families)
        for name, each in refreshes.items():
            written = each.run(job, with_plans(job.plans[name], job.plans))
            job.plans[name] = written.plan
            about = {**families[name].about, **written.about}
            families[name] = families[name].model_copy(update={"plan": plan_as_json(written.plan), "about": about})
        for name, plan in job.plans.items():
            job.plans[name] = with_plans(plan, job.plans)
        differences = check_hops(hops_of(job), report)
        result = opened.result.model_copy(
            update={
                "differences": {**opened.result.differences, **differences},
                "versions": versions(),
                "families": {name: FamilyResult.model_validate(each.model_dump()) for name, each in families.items()},
            }
        )
        write_result(result, folder)
        require_declared(folder)
    return result.model_dump(exclude_none=True)
