"""How a model is trained."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class TrainingSettings(BaseModel):
    """Settings of one training run; validation NDCG@20 picks the checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: PositiveInt = 2
    batch_size: PositiveInt = 256
    learning_rate: PositiveFloat = 5e-3
    warmup_steps: int = Field(default=50, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_gradient_norm: PositiveFloat = 1.0
    evaluations_per_epoch: PositiveInt = 2
    patience: PositiveInt = Field(default=3, description="evaluations without a better NDCG before training stops")
    validation_rows: PositiveInt = Field(default=4096, description="rows of the validation split, evenly spread")
    bf16: bool = False
    seed: int = 42
