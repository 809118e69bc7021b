"""A training run in MLflow: parameters, curves, the schema, the model folder, and its version in the registry."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from preprocessing.schema import FittedSchema
from stage.library_errors import first_line
from stage.mlflow_store import StoreError, error_code, open_store, told, without_password
from training.families.config import FamilyConfig
from training.settings import TrainingSettings
from training.tracking.options import TrackingOptions

MODEL = "model"
"""The artifact folder of a run with the output of `training fit`."""
RUN = "tracking.json"
_BATCH = 1000  # number of metrics that MLflow takes in one call
_WITHOUT = "give a store that answers, or --no-tracking"


class TrackedRun:
    """A run that begins before training, gets its logs, and is stored at the end.

    A failure to log during training is reported once, and logging is tried again at the end; the results of the
    run are never at risk.
    """

    def __init__(self, options: TrackingOptions, data: str | Path | None, output: str | Path) -> None:
        self._options, self._data, self._output = options, data, output
        self._pending: list[tuple[str, float, int, int]] = []
        self._silent = False
        self._id = ""

    def begin(
        self, fitted: FittedSchema, config: FamilyConfig, settings: TrainingSettings, scratch: Path | None = None
    ) -> None:
        """Start the run, or continue the one recorded in `scratch`, the folder of the checkpoints.

        Raises:
            StoreError: The store does not answer, or refuses the run.

        """
        self._store = open_store(self._options.uri, create=True)
        self._client = self._store.client
        self._name = self._options.experiment or fitted.schema_.name
        with told(self._store.uri, _WITHOUT):
            earlier = self._earlier(scratch)
            self._id = earlier or self._create(fitted, config)
            if not earlier:
                self._describe(fitted, config, settings)
        if scratch is not None:
            note = {"uri": self._store.shown, "run": self._id}
            (scratch / RUN).write_text(json.dumps(note), encoding="utf-8")

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log numbers of one step of the Trainer, under the Trainer's names."""
        now = int(time.time() * 1000)
        self._pending += [(metric_name(name), float(value), now, step) for name, value in values.items()]
        if self._silent:
            return
        try:
            self._flush()
        except Exception as error:
            self._silent = True
            _say(f"{self._store.shown}: {first_line(error)}: training continues, the run is logged at its end")

    def keep(self, folder: str | Path, best: Mapping[str, float]) -> dict[str, Any]:
        """Log the rest, the model `folder` and its best metrics, and register it as requested; return what to print."""
        last = max((step for *_, step in self._pending), default=0)
        self._pending += [
            (f"best/{_plain(name)}", value, int(time.time() * 1000), last) for name, value in best.items()
        ]
        with told(self._store.uri, f"the model is complete in {folder}, `training track --model {folder}` logs it"):
            self._flush()
            self._client.log_artifact(self._id, str(Path(folder) / "trainer_state.json"))
            self._client.log_artifacts(self._id, str(folder), MODEL)
            version = self._register() if self._options.register else None
            self._client.set_terminated(self._id, "FINISHED")
        kept = {"tracking_uri": self._store.shown, "experiment": self._name, "run": self._id}
        return kept if version is None else {**kept, "registered": f"models:/{self._options.register}/{version}"}

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Mark the run as failed or killed if the block fails, as far as the store allows."""
        try:
            yield
        except BaseException as error:
            self._end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise

    def _end(self, status: str) -> None:
        if not self._id:
            return
        try:
            self._client.set_terminated(self._id, status)
        except Exception as error:
            _say(f"{self._store.shown}: {first_line(error)}: run {self._id} is left open")

    def _earlier(self, scratch: Path | None) -> str | None:
        """Reopen the interrupted run, if the store still has it."""
        try:
            note = json.loads(((scratch or Path()) / RUN).read_text(encoding="utf-8")) if scratch else {}
        except (OSError, ValueError):
            return None
        if not isinstance(note, dict) or note.get("uri") != without_password(self._store.uri):
            return None
        try:
            self._client.update_run(note["run"], status="RUNNING")
        except Exception as error:
            if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return str(note["run"])

    def _create(self, fitted: FittedSchema, config: FamilyConfig) -> str:
        found = self._client.get_experiment_by_name(self._name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise StoreError(f"experiment {self._name} is deleted in {self._store.shown}: give another --experiment")
        experiment = (
            self._client.create_experiment(self._name, artifact_location=self._store.artifacts)
            if found is None
            else found.experiment_id
        )
        tags = {**_tags(fitted, config), "mlflow.source.name": "naiad", "mlflow.user": _user()}
        return str(self._client.create_run(experiment, tags=tags, run_name=str(self._output)).info.run_id)

    def _describe(self, fitted: FittedSchema, config: FamilyConfig, settings: TrainingSettings) -> None:
        from mlflow.entities import Param

        model, training = config.model_dump(mode="json"), settings.model_dump(mode="json")
        places = {"output": str(self._output)} | ({} if self._data is None else {"data": str(self._data)})
        resolved = {**places, "model": model, "training": training}
        names = {**{f"model.{name}": value for name, value in model.items()}, **training, **places}
        self._client.log_batch(self._id, params=[Param(name, str(value)) for name, value in names.items()])
        self._client.log_dict(self._id, resolved, "config.json")
        self._client.log_text(self._id, fitted.model_dump_json(by_alias=True, indent=1), "schema.json")

    def _flush(self) -> None:
        from mlflow.entities import Metric

        while self._pending:
            batch = self._pending[:_BATCH]
            self._client.log_batch(self._id, metrics=[Metric(*point) for point in batch])
            del self._pending[: len(batch)]

    def _register(self) -> str:
        name = self._options.register
        try:
            self._client.create_registered_model(name)
        except Exception as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
        run = self._client.get_run(self._id)
        kept = {key: run.data.tags[key] for key in run.data.tags if key.startswith("naiad.")}
        made = self._client.create_model_version(name, f"{run.info.artifact_uri}/{MODEL}", self._id, tags=kept)
        for alias in self._options.aliases:
            self._client.set_registered_model_alias(name, alias, made.version)
        return str(made.version)


def metric_name(name: str) -> str:
    """Return MLflow's curve for a Trainer's name: `eval_ndcg@20` -> validation/ndcg_at_20, `loss` -> train/loss.

    The Trainer's totals of the whole run (`train_loss`, `train_runtime`) are run/….
    """
    if name == "epoch":
        return name
    for prefix, group in (("eval_", "validation"), ("train_", "run")):
        if name.startswith(prefix):
            return f"{group}/{_plain(name.removeprefix(prefix))}"
    return f"train/{_plain(name)}"


def _plain(name: str) -> str:
    """Return a name without '@', which MLflow does not allow."""
    return name.replace("@", "_at_")


def _tags(fitted: FittedSchema, config: FamilyConfig) -> dict[str, str]:
    return {
        "naiad.schema": fitted.schema_.name,
        "naiad.schema_digest": fitted.digest,
        "naiad.family": config.family,
    }


def _user() -> str:
    """Return the name of the user; the user of a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _say(line: str) -> None:
    print(f"naiad: {' '.join(line.split())}", file=sys.stderr)
