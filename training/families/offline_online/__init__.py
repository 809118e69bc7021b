"""The `offline_online` family: a ranker of the whole catalogue whose user side can be computed before the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema
from training.examples import read_moments, rows_of_moments
from training.examples.folder import require_request
from training.families.family import Family, Part
from training.families.offline_online.config import OfflineOnlineConfig
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from training.examples.moments import Moments
    from training.families.offline_online.model import OfflineOnline
    from training.families.offline_online.step import OfflineOnlineStep


def _build(fitted: FittedSchema, config: OfflineOnlineConfig) -> OfflineOnline:
    from training.families.offline_online.model import OfflineOnline

    require_request(fitted, config.family)
    return OfflineOnline(fitted, config)


def _parts() -> Mapping[str, Part]:
    from training.families.offline_online.model import OfflineEncoder, OfflineOnline, OnlineRanker

    return {
        "whole": Part(OfflineOnline, ""),
        "offline": Part(OfflineEncoder, "offline"),
        "online": Part(OnlineRanker, "online"),
    }


def _step(
    model: OfflineOnline, _examples: Moments, fitted: FittedSchema, _settings: TrainingSettings
) -> OfflineOnlineStep:
    from training.families.offline_online.step import OfflineOnlineStep

    return OfflineOnlineStep(model, fitted.schema_.exclude)


FAMILY = Family(
    name="offline_online",
    help="ranks the whole catalogue",
    ks=(5, 10, 20),
    config=OfflineOnlineConfig,
    settings=TrainingSettings,
    examples=read_moments,
    rows=rows_of_moments,
    build=_build,
    parts=_parts,
    step=_step,
)
