"""`training.trainer.fit` as a tracked run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from preprocessing.schema import read_fitted
from stage.mlflow_store import StoreError, store_paths
from training import ranks
from training.families.config import FamilyConfig
from training.settings import TrainingSettings
from training.tracking.options import TrackingOptions
from training.tracking.run import TrackedRun
from training.trainer import Trained, fit


class TrackingCallback(TrainerCallback):  # type: ignore[misc]
    """Begin a run after all checks, and pass the Trainer's logs to it."""

    def __init__(self, run: TrackedRun, data: str | Path, config: FamilyConfig, settings: TrainingSettings) -> None:
        self._run, self._data, self._config, self._settings = run, data, config, settings

    def on_init_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if state.is_world_process_zero:
            self._run.begin(read_fitted(self._data), self._config, self._settings, Path(args.output_dir))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        if state.is_world_process_zero:
            self._run.log(logs, state.global_step)


def fit_tracked(
    options: TrackingOptions,
    data: str | Path,
    output: str | Path,
    config: FamilyConfig,
    settings: TrainingSettings,
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[Trained, dict[str, Any]]:
    """Train as `fit` does and log to MLflow; return also the run's ids there, if its end was logged.

    Raises:
        StoreError: The store does not answer before the first step; or the model, complete in `output`, was to be
            registered and could not be.

    """
    run = TrackedRun(options, data, output)
    callback = TrackingCallback(run, data, config, settings)
    with run.closed_on_error():
        kept_apart = store_paths(options.uri)
        trained = fit(data, output, config, settings, resume, overwrite, [callback], kept_apart)
    if not ranks.is_first():
        return trained, {}
    try:
        with run.closed_on_error():
            return trained, run.keep(output, trained.validation)
    except StoreError as error:
        if options.register is not None:
            raise
        print(f"naiad: {error}", file=sys.stderr)
        return trained, {}
