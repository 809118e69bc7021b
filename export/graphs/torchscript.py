"""The export of modules to TorchScript, by tracing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from export.graphs.onnx import example_inputs, quiet
from export.triton.tensors import Tensor


def write_torchscript(module: nn.Module, inputs: Sequence[Tensor], path: Path) -> None:
    """Trace a module of positional tensors and save it; torch's functions keep batch and lengths dynamic."""
    with torch.no_grad(), quiet():
        traced = torch.jit.trace(module, example_inputs(inputs), check_trace=False)  # type: ignore[no-untyped-call]
        # Not directly to the file, because torch ends the process if the disk is full.
        content = io.BytesIO()
        torch.jit.save(torch.jit.freeze(traced), content)
    path.write_bytes(content.getbuffer())
