"""`export verify`: compare an exported repository with the trained models again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.commands.opened import hops_of, job_of, open_repository
from export.parity.declared import require_declared
from export.parity.hop import check_hops
from export.repository.result import versions, write_result
from stage.progress import steps


def verify(repository: str | Path, data: str | Path | None = None) -> dict[str, Any]:
    """Verify a repository against torch's answers at the export; rewrite and return its verify.json.

    `data`: None for families that need none. `torch_parts` is kept, because the trained models are not available.
    Raises `ParityError` and leaves the file unchanged.
    """
    opened = open_repository(repository)
    require_declared(repository)
    with steps("verify") as report:
        job = job_of(opened, data, opened.folder, report)
        differences = check_hops(hops_of(job), report)
    before = opened.result
    result = before.model_copy(update={"differences": {**before.differences, **differences}, "versions": versions()})
    write_result(result, opened.folder)
    return result.model_dump(exclude_none=True)
