"""The `shan` family: the next item from the history alone, by two layers of attention, long-term and short-term."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema
from training.families.family import Family, Part
from training.families.next_item import NextItemSettings
from training.families.shan.config import ShanConfig

if TYPE_CHECKING:
    from training.examples.histories import HistoryRows
    from training.examples.sequences import TrainingSequences
    from training.families.shan.model import Shan
    from training.families.shan.step import ShanStep


def _examples(data: Path, _fitted: FittedSchema, config: ShanConfig, settings: NextItemSettings) -> TrainingSequences:
    from training.examples.sequences import TrainingSequences

    return TrainingSequences(data, config.max_length, settings.each, settings.windows, users=config.users > 0)


def _rows(data: Path, split: str, fitted: FittedSchema, config: ShanConfig) -> HistoryRows:
    from training.examples.histories import HistoryRows

    return HistoryRows(data, split, fitted, config.max_length, config.exclude_seen, users=config.users > 0)


def _build(fitted: FittedSchema, config: ShanConfig) -> Shan:
    from training.families.shan.model import Shan

    return Shan(fitted, config)


def _parts() -> Mapping[str, Part]:
    from training.families.shan.model import Shan

    return {"shan": Part(Shan, "")}


def _step(model: Shan, examples: TrainingSequences, fitted: FittedSchema, settings: NextItemSettings) -> ShanStep:
    from training.families.shan.step import ShanStep

    return ShanStep(model, examples.target_counts(fitted.items), settings)


FAMILY = Family(
    name="shan",
    help="predicts the next item from the history alone, by attention over long-term and short-term items",
    ks=(5, 10, 20),
    config=ShanConfig,
    settings=NextItemSettings,
    examples=_examples,
    rows=_rows,
    build=_build,
    parts=_parts,
    step=_step,
)
