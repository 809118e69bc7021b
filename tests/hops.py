"""One hop of a repository, checked alone, and the change of a graph that a hop must see."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from export.commands.opened import hops_of, job_of, open_repository


def check_hop(repository: Path, data: Path, name: str) -> float:
    """Return the largest difference that the hop `name` finds; raises what it refuses."""
    job = job_of(open_repository(repository), data, repository, lambda _: None)
    return {hop.name: hop for hop in hops_of(job)}[name].check()


def change_largest(path: Path, by: float) -> None:
    """Add `by` to every number of the largest float initializer of an ONNX file."""
    model = onnx.load(path)
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    largest = max(tensors, key=lambda tensor: int(np.prod(tensor.dims)))
    changed = numpy_helper.to_array(largest) + np.float32(by)
    largest.CopyFrom(numpy_helper.from_array(changed, largest.name))
    onnx.save(model, path)
