"""A family for tests: an item's score is its number of purchases to a learned power.

It stands outside of the project as any family of the project would inside: its own folder and one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from preprocessing.schema import FittedSchema
from training.examples import read_moments, rows_of_moments
from training.families.config import FamilyConfig, Width
from training.families.family import Family, Part
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from tests.popularity_family.model import Popularity, PopularityStep
    from training.examples.moments import Moments


class PopularityConfig(FamilyConfig):
    """A popularity is one number an item, so `dim` is 1."""

    family: Literal["popularity"] = "popularity"
    dim: Width = 1


def _build(fitted: FittedSchema, config: PopularityConfig) -> Popularity:
    from tests.popularity_family.model import Popularity

    return Popularity(fitted, config)


def _parts() -> Mapping[str, Part]:
    from tests.popularity_family.model import Popularity

    return {"popularity": Part(Popularity, "")}


def _step(model: Popularity, _examples: Moments, _fitted: FittedSchema, _settings: TrainingSettings) -> PopularityStep:
    from tests.popularity_family.model import PopularityStep

    return PopularityStep(model)


FAMILY = Family(
    name="popularity",
    help="ranks items by how often they were bought",
    ks=(5, 10),
    config=PopularityConfig,
    settings=TrainingSettings,
    examples=read_moments,
    rows=rows_of_moments,
    build=_build,
    parts=_parts,
    step=_step,
)
