"""The `sasrec` family: the next item from the history alone, by a causal transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema
from training.families.family import Family, Part
from training.families.next_item import NextItemSettings, history_rows, sequences
from training.families.sasrec.config import SasrecConfig

if TYPE_CHECKING:
    from training.examples.sequences import TrainingSequences
    from training.families.next_item_step import NextItemStep
    from training.families.sasrec.model import Sasrec


def _build(fitted: FittedSchema, config: SasrecConfig) -> Sasrec:
    from training.families.sasrec.model import Sasrec

    return Sasrec(fitted, config)


def _parts() -> Mapping[str, Part]:
    from training.families.sasrec.model import Sasrec

    return {"sasrec": Part(Sasrec, "")}


def _step(model: Sasrec, examples: TrainingSequences, fitted: FittedSchema, settings: NextItemSettings) -> NextItemStep:
    from training.families.next_item_step import NextItemStep

    return NextItemStep(model, examples.target_counts(fitted.items), settings)


FAMILY = Family(
    name="sasrec",
    help="predicts the next item from the history alone, by a causal transformer",
    ks=(5, 10, 20),
    config=SasrecConfig,
    settings=NextItemSettings,
    examples=sequences,
    rows=history_rows,
    build=_build,
    parts=_parts,
    step=_step,
)
