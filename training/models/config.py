"""What a model is built from, beside the schema."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class ModelConfig(BaseModel):
    """Sizes of an `offline_online` model; `dim` is D in every docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dim: PositiveInt = 64
    hidden: PositiveInt = 128
    dropout: float = Field(default=0.1, ge=0, lt=1)
