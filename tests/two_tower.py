"""An untrained but lively two-tower model of the synthetic shop, saved and exported once a run of the suite."""

from functools import cache
from pathlib import Path
from typing import Any

from export.families.two_tower.repository import RetrievalOptions, export_retrieval
from tests.lively import lively_checkpoint
from training.families.two_tower.config import TwoTowerConfig

CONFIG = TwoTowerConfig(dim=12)
EXPORTS = [("onnx", "exact"), ("torchscript", "hnsw")]


@cache
def checkpoint(data: Path) -> Path:
    return lively_checkpoint(data, CONFIG)


@cache
def repository(data: Path, format: Any, index: Any) -> Path:
    """A verified repository whose answers hold every item."""
    folder = data.parent / f"retrieval-{format}-{index}"
    export_retrieval(checkpoint(data), data, folder, RetrievalOptions(format=format, max_batch_size=16, index=index))
    return folder
