"""`model.json` of a checkpoint: the family of its model, and the model's sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from stage.errors import BadInput
from stage.version import naiad_version
from training import families
from training.families.family import FamilyConfig as FamilyConfig
from training.families.family import Width as Width

FILE = "model.json"
VERSION = "naiad_version"
"""The key of the version that wrote the file, for the message of a version that cannot read it."""

Dropout = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="dropout rate in training; raise it to 0.3 on small data, lower it on large data",
    ),
]


class CheckpointError(BadInput):
    """The folder has no model that can be loaded."""


def write_config(config: FamilyConfig, folder: Path) -> None:
    """Write `model.json` into `folder`."""
    body = {**config.model_dump(mode="json"), VERSION: naiad_version()}
    (folder / FILE).write_text(json.dumps(body, indent=1), encoding="utf-8")


def read_config(folder: str | Path) -> FamilyConfig:
    """Read `model.json`; without a family it is of the default family.

    Raises:
        CheckpointError: The file is missing, cannot be read, or is not `model.json` of a model.

    """
    path = Path(folder) / FILE
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"no {FILE} in {folder}: give the output folder of `training fit`") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}), give a file you may read") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: is not JSON ({error}), train again") from None
    if not isinstance(body, dict):
        raise CheckpointError(f"{path}: is not a JSON object, train again")
    written_by = body.pop(VERSION, None)
    name: Any = body.get("family", families.DEFAULT)
    if name not in families.NAMES:
        raise CheckpointError(f"{path}: {_unknown(name, written_by)}")
    config: type[FamilyConfig] = families.find(name).config
    try:
        return config.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise CheckpointError(f"{path}: {first['loc'][0]}: {first['msg']}, train again") from None


def _unknown(name: object, written_by: object) -> str:
    known = f"family {name!r} is not one of {', '.join(families.NAMES)}"
    if written_by is None:
        return f"{known}: train again"
    return f"{known}: it was written by naiad {written_by}, this is {naiad_version()}: use that version, or train again"
