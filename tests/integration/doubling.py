"""A model that doubles its input, and the command that serves a folder of such models."""

import sys
from collections.abc import Callable
from pathlib import Path

from onnx import TensorProto, helper

CHECKOUT = Path(__file__).parents[2]


def write_double(write_onnx: Callable[..., None], root: Path, name: str, **options: str) -> None:
    node = helper.make_node("Add", ["x", "x"], ["y"])
    write_onnx(root, name, [node], {"x": (TensorProto.FLOAT, ["n"])}, {"y": (TensorProto.FLOAT, ["n"])}, **options)


def words(*arguments: str | Path) -> list[str]:
    """A command that serves a folder on free ports."""
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    return ["serving", "up", *ports, *map(str, arguments)]


def command(*arguments: str | Path) -> list[str]:
    """The same as a process of its own."""
    return [sys.executable, "-m", *words(*arguments)]
