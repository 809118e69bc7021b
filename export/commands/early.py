"""The checks of `export repository` before it imports torch, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from export import families
from export.errors import RepositoryError
from export.families.options import source_of
from export.repository.registry import SCHEME
from preprocessing.schema import read_fitted, require_same_digest
from stage.free_output import require_free_output
from training.families.config import read_config

COMMAND = "export repository"
NEEDED = ("item_index.parquet", "workflow/workflow.pkl")


def before_export(models: list[str], data: str | Path | None, output: str | Path, overwrite: bool) -> None:
    """Check the folders of an export; a registered model is checked when it is downloaded.

    Raises:
        BadInput: A folder is not an output of an earlier stage, a model is of another fit than the data, or the output
            cannot be written.

    """
    folders = [model for model in models if not model.startswith(SCHEME)]
    fitted = None if data is None else read_fitted(data)
    for folder in folders:
        if fitted is not None:
            require_same_digest(fitted, read_fitted(folder), f"the model in {folder}")
        family = read_config(folder).family
        if family in families.NAMES:
            source_of(family, data, folder)
    for name in NEEDED:
        if data is not None and not (Path(data) / name).is_file():
            raise RepositoryError(f"no {name} in {data}: give the output folder of `preprocessing fit`")
    require_free_output(output, overwrite, [*folders, *([] if data is None else [data])], COMMAND)
