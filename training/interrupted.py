"""Checkpoints of a run that may be cut off, kept beside its output with what the run was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from transformers.trainer_utils import get_last_checkpoint

from preprocessing.schema import FittedSchema
from stage.errors import BadInput
from training.models.config import AnyConfig
from training.settings import TrainingSettings

RUN = "run.json"


class ResumeError(BadInput):
    """The checkpoints beside the output are not of this run."""


def checkpoint_folder(output: str | Path) -> Path:
    """Where the checkpoints of a run to `output` stand until it ends."""
    path = Path(output) if Path(output).name not in ("", "..") else Path(output).resolve()
    return path.with_name(path.name + ".checkpoints")


def begin(
    output: str | Path, fitted: FittedSchema, config: AnyConfig, settings: TrainingSettings, resume: bool
) -> str | None:
    """Prepare the checkpoint folder; the checkpoint to go on from, if there is one and `resume` is asked for.

    Raises:
        ResumeError: The folder is of another run and `resume` is asked for, or it is not ours to replace.

    """
    folder = checkpoint_folder(output)
    run = {
        "schema_digest": fitted.digest,
        **{f"model.{name}": value for name, value in config.model_dump().items()},
        **settings.model_dump(),
    }
    earlier = _read(folder)
    if folder.is_dir() and earlier is None and any(folder.iterdir()):
        raise ResumeError(f"{folder} holds no checkpoints of ours: move it away, or give another --output")
    if resume and earlier is not None:
        for name, value in run.items():
            if earlier.get(name) != value:
                raise ResumeError(
                    f"{folder} is of a run with {name} {earlier.get(name)}, not {value}: drop --resume to start anew"
                )
        last: str | None = get_last_checkpoint(str(folder))
        return last
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / RUN).write_text(json.dumps(run, indent=1), encoding="utf-8")
    return None


def _read(folder: Path) -> dict[str, object] | None:
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return run if isinstance(run, dict) else None
