"""Untrained models without zero parameters, so that nothing cancels."""

from pathlib import Path
from typing import Any

import torch

from preprocessing.schema import FittedSchema, read_fitted
from tests.once import made_once
from training.checkpoint import new_model, save
from training.families.config import FamilyConfig


def lively_model(data: Path, fitted: FittedSchema, config: FamilyConfig) -> Any:
    """A model of the family that `config` is of; the same at every call."""
    torch.manual_seed(7)
    model = new_model(data, fitted, config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def lively_checkpoint(data: Path, config: FamilyConfig) -> Path:
    """The checkpoint of such a model next to `data`, made once per run of the suite."""

    def make(folder: Path) -> None:
        folder.mkdir()
        save(lively_model(data, read_fitted(data), config), config, data, folder)

    return made_once(data.parent / f"lively-{config.family}", make)
