"""`export configs`: every config.pbtxt of a schema without a fit; `model_repository/` has those of the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export import families
from export.repository.members import write_configs
from export.repository.plans import joined_plans
from export.triton.config import ModelConfig
from preprocessing.schema import Schema
from stage.manifest import read_manifest
from stage.write_errors import OutputError, cannot_be_written


def shipped_configs(schema: Schema) -> tuple[ModelConfig, ...]:
    """Return one config per model of all families, each of the default sizes."""
    plans: dict[str, Any] = {}
    for name in families.NAMES:
        plans[name] = families.find(name).shipped(schema, plans)
        plans |= joined_plans(plans[name])
    found: dict[str, ModelConfig] = {}
    for name in families.NAMES:
        for config in families.find(name).configs(plans[name]):
            # Several families have `preprocess` and `decode`; the first family's are kept.
            found.setdefault(config.name, config)
    return tuple(found.values())


def write_shipped(schema: Schema, output: str | Path) -> list[str]:
    """Write the configs below `output`; return the names of their models.

    Raises `OutputError` if they would replace files of another command, or cannot be written.
    """
    folder = Path(output)
    if written := read_manifest(folder):
        raise OutputError(
            f"{folder}: was written by `{written.command}`, whose config.pbtxt these would replace: give another folder"
        )
    configs = shipped_configs(schema)
    try:
        write_configs(configs, folder)
    except OSError as error:
        raise cannot_be_written(folder, error) from None
    return [config.name for config in configs]
