"""The checks of `export repository` before it imports torch, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from export.errors import RepositoryError
from export.repository.registry import SCHEME
from preprocessing.schema import read_fitted, require_same_digest
from stage.free_output import require_free_output
from training.families.config import read_config

COMMAND = "export repository"
NEEDED = ("item_index.parquet", "workflow/workflow.pkl")


def before_export(models: list[str], data: str | Path, output: str | Path, overwrite: bool) -> None:
    """Check the folders of an export; a registered model is checked when it is downloaded.

    Raises:
        BadInput: A folder is not an output of an earlier stage, a model is of another fit than the data, or the output
            cannot be written.

    """
    fitted = read_fitted(data)
    for model in models:
        if not model.startswith(SCHEME):
            require_same_digest(fitted, read_fitted(model), f"the model in {model}")
            read_config(model)
    for name in NEEDED:
        if not (Path(data) / name).is_file():
            raise RepositoryError(f"no {name} in {data}: give the output folder of `preprocessing fit`")
    folders = [model for model in models if not model.startswith(SCHEME)]
    require_free_output(output, overwrite, [*folders, data], COMMAND)
