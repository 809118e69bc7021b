"""An untrained but lively two-tower model of the synthetic shop, saved and exported once a run of the suite."""

from functools import cache
from pathlib import Path
from typing import Any

import torch

from export.retrieval.repository import RetrievalOptions, export_retrieval
from preprocessing.schema import read_fitted
from training.checkpoint import new_model, save
from training.models.config import TwoTowerConfig

CONFIG = TwoTowerConfig(dim=12)
EXPORTS = [("onnx", "exact"), ("torchscript", "hnsw")]


@cache
def checkpoint(data: Path) -> Path:
    """A checkpoint none of whose parameters is zero, so that nothing cancels."""
    torch.manual_seed(7)
    model = new_model(data, read_fitted(data), CONFIG)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folder = data.parent / "lively-two-tower"
    folder.mkdir()
    save(model.eval(), CONFIG, data, folder)
    return folder


@cache
def repository(data: Path, format: Any, index: Any) -> Path:
    """A verified repository whose answers hold every item."""
    folder = data.parent / f"retrieval-{format}-{index}"
    export_retrieval(checkpoint(data), data, folder, RetrievalOptions(format=format, max_batch_size=16, index=index))
    return folder
