"""The export of modules and lookups to ONNX files for ONNX Runtime 1.19 (Triton's image 24.12) and newer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from export.errors import GraphError
from export.triton.tensors import Tensor
from stage.library_errors import first_line

OPSET, IR_VERSION = 18, 10
MOST_ROWS = 1 << 16
_TORCH_DTYPES = {"int64": torch.int64, "float32": torch.float32}


def write_onnx(module: nn.Module, inputs: Sequence[Tensor], outputs: Sequence[Tensor], path: Path) -> None:
    """Export a module of positional tensors; the batch and every -1 of `inputs` are dynamic."""
    try:
        with torch.no_grad(), quiet():
            program = torch.onnx.export(
                module,
                example_inputs(inputs),
                input_names=[tensor.name for tensor in inputs],
                output_names=[tensor.name for tensor in outputs],
                dynamic_shapes=(_dynamic_shapes(inputs),),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            # Torch records at every node its source file and line, with paths of this machine.
            for node in program.model.graph.all_nodes():
                node.metadata_props.clear()
            program.model.ir_version = IR_VERSION
            program.save(str(path), external_data=False)
    except torch.onnx.OnnxExporterError as error:
        raise GraphError(
            f"{path.parent.parent.name}: torch cannot export it to ONNX ({first_line(error)}): try --format torchscript"
        ) from error


def example_inputs(inputs: Sequence[Tensor]) -> tuple[torch.Tensor, ...]:
    """Return three rows for tracing, [3, ...], with ids 1 and padding in the last row.

    Lengths are at least 2 if possible, because 0 and 1 would become constants.
    """
    return tuple(_example(tensor) for tensor in inputs)


def _example(tensor: Tensor) -> torch.Tensor:
    dims = [min(tensor.longest or 7, 7) if dim == -1 else dim for dim in tensor.dims]
    example = torch.ones(3, *dims, dtype=_TORCH_DTYPES[tensor.dtype])
    if tensor.dtype == "int64":
        example[-1, 1:] = 0
    return example


def _dynamic_shapes(inputs: Sequence[Tensor]) -> tuple[dict[int, torch.export.Dim], ...]:
    batch = torch.export.Dim("batch", min=1, max=MOST_ROWS)
    lengths: dict[str, torch.export.Dim] = {}
    shapes = []
    for tensor in inputs:
        shape = {0: batch}
        if -1 in tensor.dims and tensor.longest != 1:
            # repeat_items and repeat_logits have the same length.
            name = "repeat_length" if tensor.name.startswith("repeat_") else f"{tensor.name.split('.')[0]}_length"
            shape[1] = lengths.setdefault(name, torch.export.Dim(name, min=1, max=tensor.longest))
        shapes.append(shape)
    return tuple(shapes)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence torch's exporters, which warn about their own internals (torchvision, deprecated calls, axis names)."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
