"""Untrained but lively models of the orders without users, saved and exported once a run of the suite."""

from functools import cache
from pathlib import Path
from typing import Any

from export.families.retrieve_and_rank.repository import Source, TwoStageOptions, export_two_stages
from tests.lively import lively_checkpoint
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.two_tower.config import TwoTowerConfig

TOP_K, CANDIDATES = 4, 6


@cache
def ranker(data: Path) -> Path:
    return lively_checkpoint(data, OfflineOnlineConfig(dim=8, hidden=12))


@cache
def towers(data: Path) -> Path:
    return lively_checkpoint(data, TwoTowerConfig(dim=8))


@cache
def two_stages(data: Path) -> Path:
    """Return a verified repository of a ranker and of towers of these orders."""
    folder = data.parent / "two-stages"
    options: dict[str, Any] = {"top_k": TOP_K, "candidates": CANDIDATES, "max_batch_size": 16}
    export_two_stages(Source(ranker(data)), Source(towers(data)), data, folder, TwoStageOptions(**options))
    return folder
