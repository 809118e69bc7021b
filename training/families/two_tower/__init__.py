"""The `two_tower` family: vectors of users and items, for retrieval from large catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema
from training.examples import read_moments, rows_of_moments
from training.examples.folder import require_request
from training.families.family import Family, Part
from training.families.two_tower.config import TwoTowerConfig, TwoTowerSettings

if TYPE_CHECKING:
    from training.examples.moments import Moments
    from training.families.two_tower.model import TwoTower
    from training.families.two_tower.step import TwoTowerStep


def _build(fitted: FittedSchema, config: TwoTowerConfig) -> TwoTower:
    from training.families.two_tower.model import TwoTower

    require_request(fitted, config.family)
    return TwoTower(fitted, config)


def _parts() -> Mapping[str, Part]:
    from training.families.two_tower.model import ItemTower, TwoTower, UserTower

    return {
        "two_tower": Part(TwoTower, ""),
        "user_tower": Part(UserTower, "user"),
        "item_tower": Part(ItemTower, "item"),
    }


def _step(model: TwoTower, examples: Moments, fitted: FittedSchema, settings: TwoTowerSettings) -> TwoTowerStep:
    from training.families.two_tower.step import TwoTowerStep

    return TwoTowerStep(model, examples.split.target_counts(fitted.items), settings)


FAMILY = Family(
    name="two_tower",
    help="makes vectors to retrieve with, for large ones",
    ks=(20, 100),
    config=TwoTowerConfig,
    settings=TwoTowerSettings,
    examples=read_moments,
    rows=rows_of_moments,
    build=_build,
    parts=_parts,
    step=_step,
)
