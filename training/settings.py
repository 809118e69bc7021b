"""How a model is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

Metric = Annotated[str, Field(pattern=r"^(ndcg|recall|precision|map|mrr|hit_rate|categorical_accuracy)@[1-9]\d*$")]


class TrainingSettings(BaseModel):
    """Settings of one training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: PositiveInt = 2
    batch_size: PositiveInt = 256
    learning_rate: PositiveFloat = 5e-3
    warmup_steps: int = Field(default=50, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_gradient_norm: PositiveFloat = 1.0
    evaluations_per_epoch: PositiveInt = 2
    patience: PositiveInt = Field(default=3, description="evaluations without a better metric before training stops")
    best_by: Metric = Field(default="ndcg@20", description="validation metric that picks the checkpoint")
    validation_rows: PositiveInt = Field(default=4096, description="rows of the validation split, evenly spread")
    bf16: bool = False
    seed: int = 42


class TwoTowerSettings(TrainingSettings):
    """Settings of a `two_tower` run; one example is a row with one of its targets."""

    epochs: PositiveInt = 3
    batch_size: PositiveInt = Field(default=512, description="rows a batch, each with all its targets")
    best_by: Metric = Field(default="recall@100", description="validation metric that picks the checkpoint")
    temperature: PositiveFloat = Field(default=0.05, description="what cosines are divided by in the loss")
    logq: Literal["none", "standard", "corrected"] = Field(
        default="corrected", description="correction of the loss for how often an item is a candidate"
    )
    logq_strength: float = Field(
        default=1.0, ge=0, le=1, description="exponent of the items' shares in it; 0 takes all for equally frequent"
    )
    mask_duplicates: bool = Field(default=True, description="a row's targets are no negatives of each other")
    uniform_negatives: NonNegativeInt = Field(default=0, description="items of the whole catalogue added to a batch")
    memory: NonNegativeInt = Field(default=0, description="item vectors of earlier batches kept as candidates")


SETTINGS: dict[str, type[TrainingSettings]] = {"offline_online": TrainingSettings, "two_tower": TwoTowerSettings}
