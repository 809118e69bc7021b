"""The files that a repository's models run, opened so that one which is missing, torn or too new gets one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.errors import RepositoryError, first_line

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


def require_file(path: Path) -> None:
    """Raises `RepositoryError` where there is none."""
    if not path.is_file():
        raise RepositoryError(f"no {path}: {_REMEDY}")
