"""What a model is built from, beside the schema; `model.json` of a checkpoint."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class ModelConfig(BaseModel):
    """Sizes of an `offline_online` model; `dim` is D in every docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["offline_online"] = "offline_online"
    dim: PositiveInt = 64
    hidden: PositiveInt = 128
    dropout: float = Field(default=0.1, ge=0, lt=1)


class TwoTowerConfig(BaseModel):
    """Sizes of a `two_tower` model; `dim` is D, what a feature takes of a tower's input is the schema's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["two_tower"] = "two_tower"
    dim: PositiveInt = 64
    dropout: float = Field(default=0.1, ge=0, lt=1)


AnyConfig = ModelConfig | TwoTowerConfig
CONFIGS: dict[str, type[AnyConfig]] = {"offline_online": ModelConfig, "two_tower": TwoTowerConfig}
