"""What a model is built from, beside the schema; `model.json` of a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stage.errors import BadInput

LARGEST = 8192
"""The widest layer."""

Width = Annotated[int, Field(ge=1, le=LARGEST)]
Dropout = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="share of inputs dropped while training; raise it to 0.3 on small data, lower it on large",
    ),
]


class ModelConfig(BaseModel):
    """Sizes of an `offline_online` model; `dim` is D in every docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: Literal["offline_online"] = "offline_online"
    dim: Width = Field(
        default=64,
        description="width of the vectors of users and items, a multiple of every encoder's heads; raise it on large "
        "logs, lower it for a smaller and faster model",
    )
    hidden: Width = Field(
        default=128, description="width of the layers that combine features; raise it with many features"
    )
    dropout: Dropout = 0.1


class TwoTowerConfig(BaseModel):
    """Sizes of a `two_tower` model; `dim` is D, what a feature takes of a tower's input is the schema's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: Literal["two_tower"] = "two_tower"
    dim: Width = Field(
        default=64,
        description="width of the vectors of users and items, and so of the index; raise it on large catalogues",
    )
    dropout: Dropout = 0.1


AnyConfig = ModelConfig | TwoTowerConfig
CONFIGS: dict[str, type[AnyConfig]] = {"offline_online": ModelConfig, "two_tower": TwoTowerConfig}


class CheckpointError(BadInput):
    """The folder holds no model that can be loaded."""


def read_config(folder: str | Path) -> AnyConfig:
    """Read `model.json`; one without a family is of the first, `offline_online`.

    Raises:
        CheckpointError: The file is missing, cannot be read or is not of a model.

    """
    path = Path(folder) / "model.json"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"no model.json in {folder}: give the output folder of `training fit`") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}), give a file you may read") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: is not JSON ({error}), train again") from None
    family = body.get("family", "offline_online") if isinstance(body, dict) else None
    if family not in CONFIGS:
        raise CheckpointError(f"{path}: family {family!r} is none of {', '.join(CONFIGS)}: train again")
    try:
        return CONFIGS[family].model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise CheckpointError(f"{path}: {first['loc'][0]}: {first['msg']}, train again") from None
