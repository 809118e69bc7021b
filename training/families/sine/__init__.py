"""The `sine` family: the next item from the history alone, by the few concepts that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema
from training.families.family import Family, Part
from training.families.next_item import history_rows, sequences
from training.families.sine.config import SineConfig, SineSettings

if TYPE_CHECKING:
    from training.examples.sequences import TrainingSequences
    from training.families.sine.model import Sine
    from training.families.sine.step import SineStep


def _build(fitted: FittedSchema, config: SineConfig) -> Sine:
    from training.families.sine.model import Sine

    return Sine(fitted, config)


def _parts() -> Mapping[str, Part]:
    from training.families.sine.model import Sine

    return {"sine": Part(Sine, "")}


def _step(model: Sine, examples: TrainingSequences, fitted: FittedSchema, settings: SineSettings) -> SineStep:
    from training.families.sine.step import SineStep

    return SineStep(model, examples.target_counts(fitted.items), settings)


FAMILY = Family(
    name="sine",
    help="predicts the next item from the history alone, by the few concepts that it is about",
    ks=(5, 10, 20),
    config=SineConfig,
    settings=SineSettings,
    examples=sequences,
    rows=history_rows,
    build=_build,
    parts=_parts,
    step=_step,
)
