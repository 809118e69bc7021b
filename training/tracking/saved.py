"""The tracking of an already trained model, whose run was not tracked or not logged to the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from preprocessing.schema import read_fitted
from training.checkpoint import CheckpointError, read_config
from training.families import find
from training.tracking.options import TrackingOptions
from training.tracking.run import TrackedRun
from training.trainer import best_evaluation, metrics_of


def track_saved(options: TrackingOptions, model: str | Path) -> dict[str, Any]:
    """Log the folder MODEL of `training fit` as a new run: parameters, curves, files; register it as requested.

    Raises:
        CheckpointError: The folder is not an output of `training fit`.
        StoreError: The store does not answer, or refuses the run.

    """
    folder = Path(model)
    fitted, config = read_fitted(folder), read_config(folder)
    try:
        body = (folder / "settings.json").read_text(encoding="utf-8")
        settings = find(config.family).settings.model_validate_json(body)
        history = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
        best = metrics_of(best_evaluation(history, settings.best_by))
        logs = [(entry["step"], {name: value for name, value in entry.items() if name != "step"}) for entry in history]
    except (OSError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder}: settings.json and trainer_state.json cannot be read ({type(error).__name__}): "
            "give the output folder of `training fit`"
        ) from None
    run = TrackedRun(options, None, model)
    run.begin(fitted, config, settings)
    with run.closed_on_error():
        for step, values in logs:
            run.log(values, step)
        return run.keep(folder, best)
