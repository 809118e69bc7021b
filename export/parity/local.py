"""The models of a repository, run in this process by their config.pbtxt, without a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.data.golden import Arrays
from export.errors import EXPORT_AGAIN, RepositoryError
from export.parity.model_files import open_session, open_torchscript, require_file
from export.parity.onnx_inputs import onnx_inputs
from export.parity.python_models import open_python
from export.triton.config import ModelConfig, read_config
from export.triton.files import GRAPH_FILES, model_path
from stage.library_errors import Becomes, first_line, map_errors

Run = Callable[[Arrays], Arrays]


class LocalRepository:
    """The models of a repository by name; each is loaded at its first use.

    Args:
        folder: The model repository.
        threads: Threads that a model may use; 0 for all cores.

    """

    def __init__(self, folder: str | Path, threads: int = 0) -> None:
        self.folder = Path(folder)
        self._threads = threads
        self._loaded: dict[str, Run] = {}
        self._configs: dict[str, ModelConfig] = {}

    def holds(self, model: str) -> bool:
        """Return whether the repository has the model."""
        return (self.folder / model / "config.pbtxt").is_file()

    def config(self, model: str) -> ModelConfig:
        """Return a model's config.pbtxt, read once."""
        if model not in self._configs:
            self._configs[model] = read_config(self.folder, model)
        return self._configs[model]

    def run(self, model: str, inputs: Arrays) -> Arrays:
        """Return the model's answer to one batch `{name: [B, ...]}`, with the model's own names.

        Raises `RepositoryError` if the model cannot be loaded or fails, for example if it is from another export.
        """

        def fails(error: Exception) -> RepositoryError:
            return RepositoryError(f"{model} of {self.folder} fails ({first_line(error)}): {EXPORT_AGAIN}")

        with map_errors(Becomes(Exception, fails)):  # errors of ONNX Runtime, torch, FAISS, NVTabular
            if model not in self._loaded:
                self._loaded[model] = self._open(model)
            return self._loaded[model](inputs)

    def run_step(self, ensemble: str, model: str, tensors: Arrays) -> Arrays:
        """Return the answer of a step: the model's inputs taken from `tensors`, all under the ensemble's names."""
        for step in self.config(ensemble).steps:
            if step.model == model:
                optional = self.config(model).optional
                taken = {
                    inside: tensors[name]
                    for inside, name in step.inputs.items()
                    if name in tensors or inside not in optional
                }
                answer = self.run(model, taken)
                return {name: answer[inside] for inside, name in step.outputs.items()}
        raise RepositoryError(f"{ensemble} of {self.folder} has no step {model}: {EXPORT_AGAIN}")

    def _open(self, model: str) -> Run:
        config = self.config(model)
        if config.backend == "ensemble":
            return lambda inputs: self._run_steps(config, inputs)
        path = model_path(self.folder, model, GRAPH_FILES[config.backend])
        require_file(path)
        match config.backend:
            case "onnxruntime":
                return _open_onnx(path, self._threads)
            case "pytorch":
                return _open_torchscript(path, config)
            case _:
                return open_python(path, config, self.run)

    def _run_steps(self, config: ModelConfig, inputs: Arrays) -> Arrays:
        tensors = dict(inputs)
        for step in config.steps:
            tensors |= self.run_step(config.name, step.model, tensors)
        return {tensor.name: tensors[tensor.name] for tensor in config.outputs}


def _open_onnx(path: Path, threads: int) -> Run:
    session = open_session(path, threads)
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, onnx_inputs(inputs)), strict=True))


def _open_torchscript(path: Path, config: ModelConfig) -> Run:
    import torch

    module = open_torchscript(path)
    inputs, outputs = ([tensor.name for tensor in side] for side in (config.inputs, config.outputs))

    def run(arrays: Arrays) -> Arrays:
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            answer = module(*[torch.from_numpy(arrays[name]) for name in inputs])
        tensors = [answer] if isinstance(answer, torch.Tensor) else answer
        return {name: tensor.numpy() for name, tensor in zip(outputs, tensors, strict=True)}

    return run
