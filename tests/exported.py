"""An untrained but lively model of the synthetic shop, saved and exported once a run of the suite."""

from functools import cache
from pathlib import Path

import torch

from export.options import Options
from export.recommend import Format
from export.repository import export_repository
from preprocessing.schema import read_fitted
from training.checkpoint import new_model, save
from training.models.config import ModelConfig

CONFIG = ModelConfig(dim=16, hidden=24)


@cache
def checkpoint(data: Path) -> Path:
    """A checkpoint none of whose parameters is zero, so that nothing cancels."""
    torch.manual_seed(7)
    model = new_model(data, read_fitted(data), CONFIG)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folder = data.parent / "lively-model"
    folder.mkdir()
    save(model.eval(), CONFIG, data, folder)
    return folder


@cache
def repository(data: Path, format: Format) -> Path:
    """A verified repository whose answers hold every item, so that the last slots of most rows are empty."""
    folder = data.parent / f"repository-{format}"
    export_repository(checkpoint(data), data, folder, Options(format=format, max_batch_size=16))
    return folder
