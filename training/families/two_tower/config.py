"""The sizes and the training settings of a `two_tower` model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.families.config import Dropout, FamilyConfig, Width
from training.settings import Count, CountOrNone, Epochs, Metric, Positive, TrainingSettings


class TwoTowerConfig(FamilyConfig):
    """Sizes of a `two_tower` model; the schema sets the width of a feature in a tower's input."""

    family: Literal["two_tower"] = "two_tower"
    dim: Width = Field(
        default=64,
        description="width of the vectors of users and items, and so of the index; raise it on large catalogues",
    )
    dropout: Dropout = 0.1


class TwoTowerSettings(TrainingSettings):
    """Settings of a `two_tower` run; one example is a row with one of its targets."""

    epochs: Epochs = 3
    batch_size: Count = Field(
        default=512,
        description="rows per step, each with all its targets, which are the negatives of the others; raise it as far "
        "as memory allows, lower it if a small log gives too few steps",
    )
    best_by: Metric = "recall@100"
    temperature: Positive = Field(
        default=0.05,
        description="divisor of the cosines in the loss; lower is sharper: raise it if training is unstable",
    )
    logq: Literal["none", "standard", "corrected"] = Field(
        default="corrected",
        description="correction of the loss for the frequency of an item as a negative; none favours rare items",
    )
    logq_strength: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="exponent of the items' shares in --logq; at 0 all items count as equally frequent; lower it if "
        "popular items crowd the lists",
    )
    mask_duplicates: bool = Field(
        default=True,
        description="do not use other targets of a row as its negatives; use off only to compare with such losses",
    )
    uniform_negatives: CountOrNone = Field(
        default=0,
        description="items drawn from the whole catalogue as further negatives per step; try 256 if rare items rank "
        "too high",
    )
    memory: CountOrNone = Field(
        default=0,
        description="item vectors of earlier steps kept as negatives; for catalogues much larger than a batch",
    )
