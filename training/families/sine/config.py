"""The sizes and the training settings of a `sine` model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.families.next_item import NextItemConfig, NextItemSettings
from training.settings import CountOrNone


class SineConfig(NextItemConfig):
    """Sizes of a `sine` model."""

    family: Literal["sine"] = "sine"
    prototypes: int = Field(
        default=500, ge=1, le=100_000, description="concept prototypes in the pool; lower it on small catalogues"
    )
    interests: int = Field(
        default=4, ge=1, le=64, description="prototypes that are active for one history; at most --prototypes"
    )
    temperature: float = Field(
        default=0.1, gt=0, description="divisor of the weights of the interests; lower picks one interest, higher mixes"
    )
    recency: bool = Field(
        default=True, description="add a learned weight for the age of an item to its attention; off as published"
    )


class SineSettings(NextItemSettings):
    """Settings of a `sine` run."""

    covariance: float = Field(
        default=0.1, ge=0, description="weight of the penalty on the covariance of the prototypes; 0 leaves it out"
    )
    positions: CountOrNone = Field(
        default=0,
        description="random positions of a sequence that train in one pass; memory grows with them times --max-length: "
        "try 32 on long sequences; 0: all",
    )
