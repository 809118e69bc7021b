"""Checks of a command before it imports torch, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, read_fitted, require_same_digest
from stage.free_output import require_free_output
from training.examples.folder import DataError, require_data
from training.families.config import FamilyConfig, read_config
from training.resume import require_same_run
from training.settings import TrainingSettings

COMMAND = "training fit"


def before_fit(
    data: str | Path,
    output: str | Path,
    config: FamilyConfig,
    settings: TrainingSettings,
    resume: bool,
    overwrite: bool,
) -> FittedSchema:
    """Return the schema of `data`.

    Raises:
        BadInput: The data are incomplete, the output cannot be written, the metric is the same for every model, or the
            checkpoints next to the output belong to another run.

    """
    fitted = read_fitted(data)
    cut_off(settings, fitted)
    require_data(data, "train", "validation")
    require_free_output(output, overwrite, [data], COMMAND)
    require_same_run(output, fitted, config, settings, resume)
    return fitted


def before_evaluate(data: str | Path, model: str | Path, split: str) -> tuple[FittedSchema, FamilyConfig]:
    """Return the schema of `data` and the config of `model`.

    Raises:
        BadInput: A folder is incomplete, or the two are of different fits.

    """
    fitted = read_fitted(data)
    require_same_digest(fitted, read_fitted(model), f"the model in {model}")
    config = read_config(model)
    require_data(data, split)
    return fitted, config


def cut_off(settings: TrainingSettings, fitted: FittedSchema) -> int:
    """Return the k of the metric that picks the checkpoint; `DataError` if the metric is the same for every model."""
    name, _, k = settings.best_by.partition("@")
    items = fitted.items - FIRST_KNOWN_ID
    if int(k) >= items and name not in ("ndcg", "map", "mrr"):
        raise DataError(
            f"{settings.best_by} over a catalogue of {items} items is the same for every model: "
            f"pick the checkpoint with --best-by ndcg@{min(items, 20)}"
        )
    return int(k)
