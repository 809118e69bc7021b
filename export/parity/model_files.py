"""The loaders of a repository's model files, which report a missing, damaged or too new file in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.errors import RepositoryError, first_line

_REMEDY = "export the repository again"


def open_session(path: Path, threads: int = 0, optimized: bool = True) -> Any:
    """Return an ONNX Runtime session on the CPU; `threads`: 0 for all cores. Raises `RepositoryError`."""
    import onnxruntime

    require_file(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common root
        raise RepositoryError(f"{path}: ONNX Runtime cannot load it ({first_line(error)}): {_REMEDY}") from None


def open_torchscript(path: Path) -> Any:
    """Return a TorchScript module on the CPU. Raises `RepositoryError`."""
    import torch

    from export.graphs.onnx import quiet

    require_file(path)
    try:
        with quiet():
            return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise RepositoryError(f"{path}: torch cannot load it ({first_line(error)}): {_REMEDY}") from None


def require_file(path: Path) -> None:
    """Raise `RepositoryError` if there is no such file."""
    if not path.is_file():
        raise RepositoryError(f"no {path}: {_REMEDY}")
