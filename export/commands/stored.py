"""`export stored`: replace the stored vectors of a repository with those of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.commands.opened import open_repository
from export.errors import RepositoryError
from export.parity.declared import require_declared
from export.repository.plans import plan_as_json
from export.repository.result import write_result
from stage.output import rewritten_folder
from stage.progress import steps


def replace_stored(repository: str | Path, embeddings: str | Path) -> dict[str, Any]:
    """Replace the stored vectors, completely or not at all; return the content of verify.json.

    The repository is written next to itself and renamed: a server that has loaded it keeps the old vectors until
    it reloads the models. Raises `RepositoryError` if the repository stores no vectors, or the file was
    made by another encoder or for another fit.
    """
    opened, file = open_repository(repository), Path(embeddings)
    found = next(((name, each.replace) for name, each in opened.families.items() if each.replace is not None), None)
    if found is None:
        raise RepositoryError(f"{repository}: has no stored vectors of users: give the repository of a ranking model")
    name, replace = found
    replace.require(opened.folder, file, opened.fitted)
    with rewritten_folder(repository, [embeddings]) as folder, steps("replace") as report:
        written = replace.run(opened.folder, file, opened.fitted, opened.plans[name], folder, report)
        before = opened.result.families[name]
        now = before.model_copy(update={"plan": plan_as_json(written.plan), "about": {**before.about, **written.about}})
        result = opened.result.model_copy(update={"families": {**opened.result.families, name: now}})
        write_result(result, folder)
        require_declared(folder)
    return result.model_dump(exclude_none=True)
