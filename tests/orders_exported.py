"""Untrained but lively models of the orders without users, saved and exported once per run of the suite."""

from pathlib import Path

from export.commands.repository import Request, export_repository
from export.repository.options import RepositoryOptions
from tests.lively import lively_checkpoint
from tests.once import made_once
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.two_tower.config import TwoTowerConfig

TOP_K, CANDIDATES = 4, 6


def ranker(data: Path) -> Path:
    return lively_checkpoint(data, OfflineOnlineConfig(dim=8, hidden=12))


def towers(data: Path) -> Path:
    return lively_checkpoint(data, TwoTowerConfig(dim=8))


def two_stages(data: Path) -> Path:
    """Return a verified repository of a ranker and of towers of these orders."""

    def make(folder: Path) -> None:
        models = {"model": str(ranker(data)), "retriever": str(towers(data))}
        options = RepositoryOptions(top_k=TOP_K, max_batch_size=16)
        export_repository(Request(models, options, {"candidates": CANDIDATES}), data, folder)

    return made_once(data.parent / "two-stages", make)
