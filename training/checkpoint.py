"""A trained model on disk: three parts that load alone, and the fit's artifacts, saved once and shared.

MODEL/
  schema.json model.json            what the parts are built from
  whole.safetensors offline.safetensors online.safetensors
  items.parquet item_index.parquet workflow/      the names, the item features and the id vocabularies of the fit
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal, overload

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from preprocessing.schema import FittedSchema, read_fitted
from stage.errors import BadInput
from training.models.config import ModelConfig
from training.models.offline_online import OfflineEncoder, OfflineOnline, OnlineRanker

SHARED = ("schema.json", "items.parquet", "item_index.parquet", "workflow")


class CheckpointError(BadInput):
    """The folder holds no model that can be loaded."""


def new_model(data: Path, fitted: FittedSchema, config: ModelConfig) -> OfflineOnline:
    """An untrained model with the item index of the fit in `data`."""
    model = OfflineOnline(fitted, config)
    model.items.load_index(data / "item_index.parquet")
    return model


def save(model: OfflineOnline, config: ModelConfig, data: Path, output: Path) -> None:
    """Write the whole model, its two parts and the shared artifacts of `data` into `output`."""
    parts: dict[str, nn.Module] = {"whole": model, "offline": model.offline, "online": model.online}
    for name, part in parts.items():
        path = output / f"{name}.safetensors"
        save_model(part, str(path))
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


def load(
    folder: str | Path, part: Literal["whole", "offline", "online"]
) -> OfflineOnline | OfflineEncoder | OnlineRanker:
    """Load one part, in evaluation mode; it needs no other part and no training data."""
    fitted, config = read_fitted(folder), read_config(folder)
    kinds = {"whole": OfflineOnline, "offline": OfflineEncoder, "online": OnlineRanker}
    model: OfflineOnline | OfflineEncoder | OnlineRanker = kinds[part](fitted, config)
    path = Path(folder) / f"{part}.safetensors"
    try:
        load_model(model, str(path))
    except FileNotFoundError:
        raise CheckpointError(f"no {path.name} in {folder}: give the output folder of `training fit`") from None
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not the weights of this schema and model.json ({error})") from None
    return model.eval()


def read_config(folder: str | Path) -> ModelConfig:
    path = Path(folder) / "model.json"
    try:
        return ModelConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"no model.json in {folder}: give the output folder of `training fit`") from None
    except ValidationError as error:
        raise CheckpointError(f"{path}: {error.errors()[0]['msg']}") from None
