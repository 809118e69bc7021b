"""Untrained but lively models of the orders without users, saved and exported once per run of the suite."""

from pathlib import Path
from typing import Any

from export.families.retrieve_and_rank.repository import Source, TwoStageOptions, export_two_stages
from tests.lively import lively_checkpoint
from tests.once import made_once
from training.families.config import ModelConfig, TwoTowerConfig

TOP_K, CANDIDATES = 4, 6


def ranker(data: Path) -> Path:
    return lively_checkpoint(data, ModelConfig(dim=8, hidden=12))


def towers(data: Path) -> Path:
    return lively_checkpoint(data, TwoTowerConfig(dim=8))


def two_stages(data: Path) -> Path:
    """Return a verified repository of a ranker and of towers of these orders."""

    def make(folder: Path) -> None:
        options: dict[str, Any] = {"top_k": TOP_K, "candidates": CANDIDATES, "max_batch_size": 16}
        export_two_stages(Source(ranker(data)), Source(towers(data)), data, folder, TwoStageOptions(**options))

    return made_once(data.parent / "two-stages", make)
