"""The files that a repository's models run, opened so that one which is missing, torn or too new gets one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.errors import RepositoryError
from export.triton.config import Backend

GRAPH_FILES: dict[Backend, str] = {"onnxruntime": "model.onnx", "pytorch": "model.pt", "python": "model.py"}
"""What a model of a backend runs, in the folder of its version."""
_REMEDY = "export the repository again"


def open_session(path: Path, threads: int = 0, optimized: bool = True) -> Any:
    """An ONNX Runtime session on the CPU; `threads`: 0 for all cores. Raises `RepositoryError`."""
    import onnxruntime

    require_file(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no root of their own
        raise RepositoryError(f"{path}: ONNX Runtime cannot load it ({first_line(error)}): {_REMEDY}") from None


def open_torchscript(path: Path) -> Any:
    """A TorchScript module on the CPU. Raises `RepositoryError`."""
    import torch

    from export.graphs.onnx import quiet

    require_file(path)
    try:
        with quiet():
            return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise RepositoryError(f"{path}: torch cannot load it ({first_line(error)}): {_REMEDY}") from None


def first_line(error: Exception) -> str:
    """What an error says, without the stack that some carry."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def require_file(path: Path) -> None:
    """Raises `RepositoryError` where there is none."""
    if not path.is_file():
        raise RepositoryError(f"no {path}: {_REMEDY}")
