"""What the next-item families share: sizes, settings, examples and rows. They read a history of items and nothing else.

A next-item model has an item table, encodes a history as one vector, and scores an item by their dot product.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import Field

from preprocessing.schema import FittedSchema
from training.families.config import Dropout, FamilyConfig, Width
from training.families.family import Model
from training.loss_choice import LossSettings
from training.settings import Count, Epochs, Metric, Positive, TrainingSettings

if TYPE_CHECKING:
    from torch import Tensor

    from training.examples.histories import HistoryRows
    from training.examples.sequences import TrainingSequences


class NextItemConfig(FamilyConfig):
    """Sizes of a next-item model."""

    dim: Width = Field(
        default=64,
        description="width of item and history vectors; raise it to 128 on large catalogues",
    )
    max_length: int = Field(
        default=50,
        ge=2,
        le=10_000,
        description="number of newest items that are read; raise it to 200 where histories are long",
    )
    exclude_seen: bool = Field(
        default=True,
        description="never answer with an item of the history; use off where people take items again",
    )
    dropout: Dropout = 0.2


class NextItemSettings(LossSettings, TrainingSettings):
    """Settings of a next-item run; one example is the sequence of a user or a session."""

    epochs: Epochs = 50
    batch_size: Count = Field(
        default=128, description="sequences per step; lower it if a small log gives too few steps"
    )
    learning_rate: Positive = Field(default=1e-3, description="peak rate of AdamW; lower it if the loss jumps")
    evaluations_per_epoch: Count = Field(
        default=1, description="evaluations on validation rows, each a checkpoint; lower it if they take too long"
    )
    patience: Count = Field(
        default=10,
        description="evaluations without a better --best-by before training stops; raise it if the metric is noisy",
    )
    best_by: Metric = "ndcg@10"
    each: Literal["user", "session"] = Field(
        default="user", description="owner of a sequence: a user's items across sessions, or each session alone"
    )
    windows: bool = Field(
        default=False,
        description="cut a sequence above --max-length into windows; without it only its newest items train",
    )


class NextItemModel(Model, Protocol):
    """A model that encodes a history as one vector [B, D]; `scores` are dot products with the catalogue [I, D]."""

    max_length: int

    def encode(self, history: Tensor, table: Tensor) -> Tensor:
        """Return the vector of each history, [B, D].

        history: [B, L] int64, item ids, oldest first, padded right with 0. table: [I, D], of `catalogue`. A row without
        items gives finite numbers.
        """

    def training_pairs(self, items: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [N, D] and the items [N] that followed, of sequences [B, L] padded right with 0."""


def sequences(
    data: Path, _fitted: FittedSchema, config: NextItemConfig, settings: NextItemSettings
) -> TrainingSequences:
    """Return the training sequences of `data`; raise `SequencesError` if none has two items."""
    from training.examples.sequences import TrainingSequences

    return TrainingSequences(data, config.max_length, settings.each, settings.windows)


def history_rows(data: Path, split: str, fitted: FittedSchema, config: NextItemConfig) -> HistoryRows:
    """Return the rows of a split as histories; raise `SequencesError` if there are none."""
    from training.examples.histories import HistoryRows

    return HistoryRows(data, split, fitted, config.max_length, config.exclude_seen)
