"""An untrained but lively two-tower model of the synthetic shop, saved and exported once per run of the suite."""

from pathlib import Path
from typing import Any

from tests.exported import export
from tests.lively import lively_checkpoint
from tests.once import made_once
from training.families.two_tower.config import TwoTowerConfig

CONFIG = TwoTowerConfig(dim=12)
EXPORTS = [("onnx", "exact"), ("torchscript", "hnsw")]


def checkpoint(data: Path) -> Path:
    return lively_checkpoint(data, CONFIG)


def repository(data: Path, format: Any, index: Any) -> Path:
    """A verified repository whose answers hold every item."""

    def make(folder: Path) -> None:
        export(checkpoint(data), data, folder, {"index": index}, format=format)

    return made_once(data.parent / f"retrieval-{format}-{index}", make)
