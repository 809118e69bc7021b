"""The loaders of a repository's model files, which report a missing, damaged or too new file in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.errors import EXPORT_AGAIN, RepositoryError
from stage.library_errors import Becomes, first_line, map_errors


def open_session(path: Path, threads: int = 0, optimized: bool = True) -> Any:
    """Return an ONNX Runtime session on the CPU; `threads`: 0 for all cores. Raises `RepositoryError`."""
    import onnxruntime

    require_file(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # ONNX Runtime's errors have no common root.
    with map_errors(_unloadable(path, "ONNX Runtime", Exception)):
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def open_torchscript(path: Path) -> Any:
    """Return a TorchScript module on the CPU. Raises `RepositoryError`."""
    import torch

    from export.graphs.onnx import quiet

    require_file(path)
    with map_errors(_unloadable(path, "torch", RuntimeError, ValueError, OSError)), quiet():
        return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]


def _unloadable(path: Path, library: str, *raised: type[Exception]) -> Becomes:
    return Becomes(
        raised, lambda error: RepositoryError(f"{path}: {library} cannot load it ({first_line(error)}): {EXPORT_AGAIN}")
    )


def require_file(path: Path) -> None:
    """Raise `RepositoryError` if there is no such file."""
    if not path.is_file():
        raise RepositoryError(f"no {path}: {EXPORT_AGAIN}")
