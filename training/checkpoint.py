"""A trained model on disk: the whole and its parts, each of which loads alone, and the fit's artifacts, saved once.

MODEL/
  schema.json model.json            what the parts are built from; the family
  whole.safetensors offline.safetensors online.safetensors                of an offline_online model
  two_tower.safetensors user_tower.safetensors item_tower.safetensors     of a two_tower model
  items.parquet item_index.parquet workflow/      the names, the item features and the id vocabularies of the fit
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal, overload

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from preprocessing.schema import FittedSchema, read_fitted
from training.families.config import AnyConfig, ModelConfig, TwoTowerConfig
from training.families.config import CheckpointError as CheckpointError
from training.families.config import read_config as read_config
from training.families.family import FAMILIES, Model
from training.families.offline_online.model import OfflineEncoder, OfflineOnline, OnlineRanker
from training.families.two_tower.model import ItemTower, TwoTower, UserTower

SHARED = ("schema.json", "items.parquet", "item_index.parquet", "workflow")


@overload
def new_model(data: Path, fitted: FittedSchema, config: ModelConfig) -> OfflineOnline: ...
@overload
def new_model(data: Path, fitted: FittedSchema, config: TwoTowerConfig) -> TwoTower: ...


def new_model(data: Path, fitted: FittedSchema, config: AnyConfig) -> Model:
    """An untrained model with the item index of the fit in `data`."""
    model: Model = FAMILIES[config.family].model(fitted, config)
    model.load_index(data / "item_index.parquet")
    return model


def save(model: Model, config: AnyConfig, data: Path, output: Path) -> None:
    """Write the whole model, its parts and the shared artifacts of `data` into `output`."""
    for name, (_, place) in FAMILIES[config.family].parts.items():
        path = output / f"{name}.safetensors"
        save_model(model.get_submodule(place), str(path))
        path.chmod(0o644)  # safetensors writes 0600, which a server of another user cannot read
    (output / "model.json").write_text(config.model_dump_json(indent=1), encoding="utf-8")
    for name in SHARED:
        if (data / name).is_dir():
            shutil.copytree(data / name, output / name)
        else:
            shutil.copy2(data / name, output / name)


@overload
def load(folder: str | Path, part: Literal["whole"]) -> OfflineOnline: ...
@overload
def load(folder: str | Path, part: Literal["offline"]) -> OfflineEncoder: ...
@overload
def load(folder: str | Path, part: Literal["online"]) -> OnlineRanker: ...
@overload
def load(folder: str | Path, part: Literal["two_tower"]) -> TwoTower: ...
@overload
def load(folder: str | Path, part: Literal["user_tower"]) -> UserTower: ...
@overload
def load(folder: str | Path, part: Literal["item_tower"]) -> ItemTower: ...


def load(folder: str | Path, part: str) -> nn.Module:
    """Load one part, in evaluation mode; it needs no other part and no training data."""
    fitted, config = read_fitted(folder), read_config(folder)
    parts = FAMILIES[config.family].parts
    if part not in parts:
        raise CheckpointError(
            f"{folder} holds a {config.family} model ({', '.join(parts)}), not {part}: give a model that has it"
        )
    kind: Any = parts[part][0]
    model: nn.Module = kind(fitted, config)
    path = Path(folder) / f"{part}.safetensors"
    try:
        load_model(model, str(path))
    except FileNotFoundError:
        raise CheckpointError(f"no {path.name} in {folder}: give the output folder of `training fit`") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}), give a file you may read") from None
    except (SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()[0].rstrip(":")
        raise CheckpointError(f"{path}: not the weights of this schema and model.json ({first}), train again") from None
    return model.eval()


def load_whole(folder: str | Path) -> Model:
    """Load the whole model of whichever family the folder holds."""
    part: Any = FAMILIES[read_config(folder).family].whole
    model: Model = load(folder, part)
    return model
