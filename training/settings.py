"""The settings of training for any family. A field's description is its help: its effect, and when to change it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST = 1_000_000
"""The upper bound of epochs, steps and rows in a setting."""
LARGEST_SEED = 2**32 - 1

Count = Annotated[int, Field(ge=1, le=MOST)]
CountOrNone = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[float, Field(gt=0)]

Epochs = Annotated[
    Count,
    Field(
        description="passes over the train rows at most; raise it on small data (to 20 for some 10,000 rows): "
        "--patience ends the run when the metric stops rising"
    ),
]
Metric = Annotated[
    str,
    Field(
        pattern=r"^(ndcg|recall|precision|map|mrr|hit_rate|categorical_accuracy)@[1-9]\d{0,5}$",
        description="validation metric that picks the checkpoint and that --patience watches: ndcg, recall, precision, "
        "map, mrr, hit_rate or categorical_accuracy at a cut-off; choose the one that matters for the product",
    ),
]


class TrainingSettings(BaseModel):
    """Settings of one training run; a family that needs more has a class of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Epochs = 2
    batch_size: Count = Field(
        default=256, description="rows per step; lower it if memory runs out or a small log gives too few steps"
    )
    learning_rate: Positive = Field(
        default=5e-3, description="peak rate of AdamW; lower it if the loss jumps or scores are not numbers"
    )
    warmup_steps: CountOrNone = Field(
        default=50,
        description="steps in which the rate rises to its peak, to fall to 0 after it; a run of less than twice as "
        "many steps warms up for a quarter of its own; raise it if the first losses jump",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="decay of the weights; try 0.01 if validation gets worse while the loss falls",
    )
    max_gradient_norm: Positive = Field(
        default=1.0, description="gradients with a larger norm are scaled down to it; lower it if the loss jumps"
    )
    evaluations_per_epoch: Count = Field(
        default=2, description="evaluations on validation rows, each a checkpoint; lower it if they take too long"
    )
    patience: Count = Field(
        default=3,
        description="evaluations without a better --best-by before training stops; raise it if the metric is noisy",
    )
    best_by: Metric = "ndcg@20"
    validation_rows: Count = Field(
        default=4096,
        description="rows of the validation split to evaluate on, evenly spread; raise it for a steadier metric",
    )
    bf16: bool = Field(
        default=False,
        description="compute in bfloat16: faster on a GPU of compute capability 8 and newer, slower on most CPUs",
    )
    seed: int = Field(
        default=42,
        ge=0,
        le=LARGEST_SEED,
        description="seed of first weights, order of rows and dropout; train with several to see the noise of a metric",
    )
