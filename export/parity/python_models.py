"""The python-backend models of a repository, run in this process from the files that the server runs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export.data.golden import Arrays
from export.errors import EXPORT_AGAIN, RepositoryError
from export.triton.config import TRITON_DTYPES, ModelConfig
from stage.library_errors import Becomes, first_line, map_errors

RunModel = Callable[[str, Arrays], Arrays]
"""A function that runs a model of the repository by name, as the server offers to models that call others."""


def open_python(path: Path, config: ModelConfig, run_model: RunModel) -> Callable[[Arrays], Arrays]:
    """Return a model that answers a request `{name: [B, ...]}`. Raises `RepositoryError` if it refuses to load."""
    answer_requests = open_requests(path, config, run_model)

    def run(arrays: Arrays) -> Arrays:
        [answer] = answer_requests([arrays])
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    return run


def open_requests(path: Path, config: ModelConfig, run_model: RunModel) -> Any:
    """Return a function from requests, which the model is handed together, to an answer or an error for each."""
    module = load_module(path, config.name)
    with map_errors(Becomes(ValueError, lambda refusal: RepositoryError(f"{config.name}: {refusal}"))):
        # Every output is returned, so none needs to be requested.
        return module.open_model(_as_json(config), path.parent, lambda model, inputs, _: run_model(model, inputs))


def load_module(path: Path, model: str) -> Any:
    """Import the file of a python model as a module, without writing bytecode into the release.

    Raises `RepositoryError` if it is not such a file.
    """
    specification = importlib.util.spec_from_file_location(f"naiad_model_{model}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)

    def fails(error: Exception) -> RepositoryError:
        return RepositoryError(f"{path}: cannot be run ({first_line(error)}): {EXPORT_AGAIN}")

    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with map_errors(Becomes(Exception, fails)):  # the file may contain anything
            specification.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes_bytecode
    return module


def _as_json(config: ModelConfig) -> dict[str, Any]:
    """Return the parts of a config that python models read, in the server's form."""
    return {
        "max_batch_size": config.max_batch_size,
        "input": [{"name": t.name, "data_type": TRITON_DTYPES[t.dtype], "dims": list(t.dims)} for t in config.inputs],
        "output": [{"name": t.name, "dims": list(t.dims)} for t in config.outputs],
        "parameters": {key: {"string_value": value} for key, value in config.parameters.items()},
    }
