"""The paths of a model's files in a repository."""

from __future__ import annotations

from pathlib import Path

from export.triton.config import Backend

VERSION = "1"
ONNX, TORCHSCRIPT, PYTHON = "model.onnx", "model.pt", "model.py"
GRAPH_FILES: dict[Backend, str] = {"onnxruntime": ONNX, "pytorch": TORCHSCRIPT, "python": PYTHON}
"""The file that a model of a backend runs."""

COMMITTED = Path(__file__).parents[2] / "model_repository"
"""The python-backend models in git."""


def version_folder(repository: str | Path, model: str) -> Path:
    """Return the folder of the served version of `model`."""
    return Path(repository) / model / VERSION


def model_path(repository: str | Path, model: str, file: str = ONNX) -> Path:
    """Return the path of a file of `model`."""
    return version_folder(repository, model) / file
