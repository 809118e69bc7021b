"""The `shan` family: the next item from the history alone, by two layers of attention, long-term and short-term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema
from training.families.family import Family, Part
from training.families.next_item import NextItemSettings, history_rows, sequences
from training.families.shan.config import ShanConfig

if TYPE_CHECKING:
    from training.examples.sequences import TrainingSequences
    from training.families.next_item_step import NextItemStep
    from training.families.shan.model import Shan


def _build(fitted: FittedSchema, config: ShanConfig) -> Shan:
    from training.families.shan.model import Shan

    return Shan(fitted, config)


def _parts() -> Mapping[str, Part]:
    from training.families.shan.model import Shan

    return {"shan": Part(Shan, "")}


def _step(model: Shan, _examples: TrainingSequences, fitted: FittedSchema, settings: NextItemSettings) -> NextItemStep:
    from training.families.next_item_step import NextItemStep

    return NextItemStep(model, fitted, settings)


FAMILY = Family(
    name="shan",
    help="predicts the next item from the history alone, by attention over long-term and short-term items",
    ks=(5, 10, 20),
    config=ShanConfig,
    settings=NextItemSettings,
    examples=sequences,
    rows=history_rows,
    build=_build,
    parts=_parts,
    step=_step,
)
