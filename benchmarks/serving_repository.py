"""A repository for measurements: the models of an exported one, and two more that do nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

IDENTITY, IDENTITY_SMALL = "identity", "identity_small"
MODEL = Path(__file__).parent / "serving_models" / "identity.py"


def add_identities(repository: Path, into: Path, like: str) -> None:
    """Link the models of `repository` into a new folder `into` and write the two identities there.

    `identity` takes the request of the model `like`, `identity_small` one FP32 [B, 1]; both return an answer like
    that of `like`.
    """
    from export.triton.config import ModelConfig, read_config, to_text
    from export.triton.tensors import Tensor

    into.mkdir()
    for config in repository.glob("*/config.pbtxt"):
        (into / config.parent.name).symlink_to(config.parent.resolve(), target_is_directory=True)
    model = read_config(repository, like)
    small = (Tensor("value", "float32", (1,)),)
    for name, inputs in ((IDENTITY, model.inputs), (IDENTITY_SMALL, small)):
        (into / name / "1").mkdir(parents=True)
        shutil.copyfile(MODEL, into / name / "1" / "model.py")
        text = to_text(ModelConfig(name, "python", model.max_batch_size, inputs, model.outputs))
        (into / name / "config.pbtxt").write_text(text, encoding="utf-8")
