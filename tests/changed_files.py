"""A model of a repository whose file says something else than was exported; what it is linked to stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def change_model(repository: Path, model: str) -> Path:
    """Change the one file that `model` runs, by its kind; return it."""
    for pattern, change in _CHANGES.items():
        files = sorted((repository / model / "1").glob(pattern), key=lambda path: path.stat().st_size)
        if files:
            content = files[-1].read_bytes()
            files[-1].unlink()
            files[-1].write_bytes(content)
            change(files[-1])
            return files[-1]
    raise AssertionError(f"{model} of {repository} runs no file that could be changed")


def uneven(width: int) -> Any:
    """What is added to the rows of a matrix, [width]: a norm after it would cancel the same number everywhere."""
    return (0.1 * (1 + np.arange(width) % 2)).astype(np.float32)


def change_onnx(path: Path) -> None:
    """Add to the largest matrix; without any, mix up the ids that strings get, or the strings that ids get."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    initializers = model.graph.initializer
    matrices = [each for each in initializers if each.data_type == onnx.TensorProto.FLOAT and len(each.dims) > 1]
    encoded = [each.ints for node in model.graph.node for each in node.attribute if each.name == "values_int64s"]
    strings = [each.string_data for each in initializers if each.string_data]
    if matrices:
        largest = max(matrices, key=lambda each: int(np.prod(each.dims)))
        changed = numpy_helper.to_array(largest) + uneven(largest.dims[-1])
        largest.CopyFrom(numpy_helper.from_array(changed, largest.name))
    else:
        values: Any = max(encoded or strings, key=len)
        values[:] = [*values[1:], values[0]]
    onnx.save(model, path)


def change_torchscript(path: Path) -> None:
    """Add to the largest matrix of a frozen module, whose weights are constants of its graph."""
    import torch

    from export.graphs.onnx import quiet

    with quiet():
        module = torch.jit.load(str(path))
        constants = [node.t("value") for node in module.graph.findAllNodes("prim::Constant") if _is_tensor(node)]
        matrices = [each for each in constants if each.is_floating_point() and each.dim() > 1]
        largest = max(matrices, key=torch.Tensor.numel)
        largest.add_(torch.from_numpy(uneven(largest.shape[-1])))
        torch.jit.save(module, str(path))


def _is_tensor(node: Any) -> bool:
    return bool(node.hasAttribute("value")) and node.kindOf("value") == "t"


def change_index(path: Path) -> None:
    """Add to the vectors of a FAISS index."""
    from export.families.two_tower.index.hnsw import build_hnsw, load_faiss, write_hnsw

    index = load_faiss().read_index(str(path))
    write_hnsw(build_hnsw(index.reconstruct_n(0, index.ntotal) + np.float32(0.1)), path)


def change_tensors(path: Path) -> None:
    """Add to the numbers of a safetensors file."""
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    with safe_open(path, "np") as file:
        metadata = file.metadata()
    arrays = {name: array + 1 if array.dtype == np.float32 else array for name, array in load_file(path).items()}
    save_file(arrays, path, metadata)


def change_vocabulary(path: Path) -> None:
    """Mix up the values of a vocabulary of NVTabular's."""
    import pandas as pd

    table = pd.read_parquet(path)
    name = path.name.split(".")[1]
    table[name] = table[name].to_numpy()[::-1]
    table.to_parquet(path)


_CHANGES: dict[str, Callable[[Path], None]] = {
    "model.onnx": change_onnx,
    "model.pt": change_torchscript,
    "*.faiss": change_index,
    "*.safetensors": change_tensors,
    "workflow/categories/unique.*.parquet": change_vocabulary,
}
"""By the place of the file in the folder of a version; the largest of those that are there."""
