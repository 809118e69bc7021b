"""Checkpoints of a run that may be interrupted, kept next to its output with a description of the run."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path

from preprocessing.schema import FittedSchema
from stage.errors import BadInput
from stage.output import OutputError
from training import ranks
from training.families.config import FamilyConfig
from training.settings import TrainingSettings

RUN = "run.json"
_BEFORE = {"processes": 1}
"""The values of keys that earlier versions did not write."""


class ResumeError(BadInput):
    """The checkpoints next to the output are not of this run, or none of them can be read."""


def checkpoint_folder(output: str | Path) -> Path:
    """Return the folder in which checkpoints of a run to `output` are kept until it ends."""
    path = Path(output) if Path(output).name not in ("", "..") else Path(output).resolve()
    return path.with_name(path.name + ".checkpoints")


def require_same_run(
    output: str | Path, fitted: FittedSchema, config: FamilyConfig, settings: TrainingSettings, resume: bool
) -> None:
    """Check the checkpoint folder without changing it.

    Raises:
        ResumeError: `resume` is set and the folder is missing or of another run; or the folder is not ours.

    """
    folder = checkpoint_folder(output)
    earlier = _read(folder)
    if earlier is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ResumeError(f"{folder} has no checkpoints of naiad: move it away, or give another --output")
        if resume:
            raise ResumeError(f"--resume: no checkpoints at {folder}: leave it out to start a new run")
    elif resume:
        for name, value in _run(fitted, config, settings).items():
            if (before := earlier.get(name, _BEFORE.get(name))) != value:
                raise ResumeError(
                    f"{folder} is of a run with {name} {before}, not {value}: give the same, or drop --resume to start "
                    "again"
                )


def begin(
    output: str | Path, fitted: FittedSchema, config: FamilyConfig, settings: TrainingSettings, resume: bool
) -> str | None:
    """Prepare the checkpoint folder; return the checkpoint to continue from, if `resume` is set and there is one.

    Raises:
        ResumeError: As in `require_same_run`, or no checkpoint can be read.
        OutputError: The folder cannot be written.

    """
    require_same_run(output, fitted, config, settings, resume)
    folder = checkpoint_folder(output)
    if resume:
        return _last_readable(folder)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        run = _run(fitted, config, settings)
        (folder / RUN).write_text(json.dumps(run, indent=1), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}), give another --output") from None
    return None


def _run(fitted: FittedSchema, config: FamilyConfig, settings: TrainingSettings) -> dict[str, object]:
    return {
        "schema_digest": fitted.digest,
        **{f"model.{name}": value for name, value in config.model_dump().items()},
        **settings.model_dump(),
        "processes": ranks.count(),
    }


def _last_readable(folder: Path) -> str | None:
    """Return the newest complete checkpoint; a kill or a full disk may have damaged the last one."""
    numbered = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    found = sorted(numbered, key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True)
    for checkpoint in found:
        fault = _fault(checkpoint)
        if fault is None:
            return str(checkpoint)
        print(f"naiad: {checkpoint}: cannot be read ({fault}), trying an earlier checkpoint", file=sys.stderr)
    if found:
        raise ResumeError(f"{folder}: none of its checkpoints can be read: drop --resume to start again")
    print(f"naiad: {folder}: no checkpoint was written yet: training starts with the first step", file=sys.stderr)
    return None


def _fault(checkpoint: Path) -> str | None:
    """Return the fault of the files that the Trainer reads, None if there is none."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        with safe_open(checkpoint / "model.safetensors", "pt") as weights:
            weights.keys()
        for name in ("optimizer.pt", "scheduler.pt"):
            torch.load(checkpoint / name, map_location="cpu", weights_only=True)
    except (OSError, ValueError, EOFError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        return " ".join(str(error).split())[:120] or type(error).__name__
    return None


def _read(folder: Path) -> dict[str, object] | None:
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return run if isinstance(run, dict) else None
