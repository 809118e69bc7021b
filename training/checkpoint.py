"""A trained model on disk: the whole, its parts (each loads alone), and files copied from the fit.

MODEL/
  schema.json model.json         inputs to build the parts: the fitted schema; the family and its sizes
  PART.safetensors               the weights of the whole and of each part, named by the family
  items.parquet item_index.parquet      the names and the encoded features of the items of the fit
  popular.parquet                the most purchased items of its train period
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from preprocessing.schema import FittedSchema, read_fitted
from training.families import find
from training.families.config import CheckpointError as CheckpointError
from training.families.config import FamilyConfig, write_config
from training.families.config import read_config as read_config
from training.families.family import Model

SHARED = ("schema.json", "items.parquet", "item_index.parquet", "popular.parquet")

PartT = TypeVar("PartT", bound=nn.Module)


def new_model(data: Path, fitted: FittedSchema, config: FamilyConfig) -> Model:
    """Return an untrained model with the item index of the fit in `data`."""
    model: Model = find(config.family).build(fitted, config)
    model.load_index(data / "item_index.parquet")
    return model


def save(model: Model, config: FamilyConfig, data: Path, output: Path) -> None:
    """Write the whole model, its parts and the shared artifacts of `data` into `output`."""
    for name, part in find(config.family).parts().items():
        path = output / f"{name}.safetensors"
        save_model(model.get_submodule(part.place), str(path))
        path.chmod(0o644)  # safetensors writes 0600, which a server that runs as another user cannot read
    write_config(config, output)
    for name in SHARED:
        shutil.copy2(data / name, output / name)


def load(folder: str | Path, kind: type[PartT]) -> PartT:
    """Load the part of class `kind` in evaluation mode; it needs no other part and no training data.

    Raises:
        CheckpointError: The model has no such part, or its weights cannot be read.

    """
    fitted, config = read_fitted(folder), read_config(folder)
    parts = find(config.family).parts()
    for name, part in parts.items():
        if part.kind is kind:
            return _with_weights(kind(fitted, config), Path(folder) / f"{name}.safetensors")
    kinds = ", ".join(part.kind.__name__ for part in parts.values())
    raise CheckpointError(
        f"{folder} has a model of family {config.family} ({kinds}), not {kind.__name__}: give a model with this part"
    )


def load_whole(folder: str | Path) -> Model:
    """Load the whole model, of any family, in evaluation mode."""
    fitted, config = read_fitted(folder), read_config(folder)
    family = find(config.family)
    model: Model = _with_weights(family.build(fitted, config), Path(folder) / f"{family.whole}.safetensors")
    return model


def _with_weights(model: PartT, path: Path) -> PartT:
    try:
        load_model(model, str(path))
    except FileNotFoundError:
        raise CheckpointError(f"no {path.name} in {path.parent}: give the output folder of `training fit`") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}), give a file you may read") from None
    except (SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()[0].rstrip(":")
        raise CheckpointError(f"{path}: not the weights of this schema and model.json ({first}), train again") from None
    return model.eval()
