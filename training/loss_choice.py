"""The loss of a next-item model: the settings, and the default by the size of the catalogue."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.settings import Count

Loss = Literal["softmax", "sampled_softmax", "gbce", "bpr_max"]

SOFTMAX_UP_TO = 50_000
"""Known items up to which the exact softmax trains: it has no sampling error, and at 40,000 items a million positions
still take about 7 minutes of one core (`python -m benchmarks.losses`)."""


def default_loss(items: int) -> Loss:
    """Return the loss for a catalogue of `items` known items."""
    return "softmax" if items <= SOFTMAX_UP_TO else "sampled_softmax"


class LossSettings(BaseModel):
    """Settings of the loss at every real position of a sequence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    loss: Loss | None = Field(
        default=None,
        description="loss at every position; the default is the exact softmax on small catalogues, sampled_softmax on "
        "large ones",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the softmax target that is spread over all items; try 0.1 if validation gets worse early",
    )
    negatives: Count = Field(
        default=512,
        description="items drawn per step by the other losses; more are closer to the exact softmax, and slower",
    )
    negatives_shared: bool = Field(
        default=True,
        description="use one set of negatives for the whole batch; without it each position draws its own, which "
        "needs much more memory: lower --negatives",
    )
    negatives_popularity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="exponent of an item's frequency in the draw: 0 is uniform; raise it if popular items crowd lists",
    )
    logq: Literal["none", "standard", "corrected"] = Field(
        default="corrected",
        description="correction of sampled_softmax for the probability of the draw; corrected has the gradient of "
        "the exact softmax",
    )
    calibration: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="t of gbce: 0 is plain binary cross-entropy, 1 gives the probabilities of the whole catalogue",
    )
    score_penalty: float = Field(
        default=1.0, ge=0, description="weight of the squared negative scores in bpr_max; raise it if scores grow"
    )

    @model_validator(mode="after")
    def _smooth_the_softmax_alone(self) -> LossSettings:
        if self.label_smoothing and self.loss not in (None, "softmax"):
            raise ValueError(f"label_smoothing is defined for the loss softmax, seen {self.loss}: leave it out")
        return self
