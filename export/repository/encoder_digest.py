"""The digest of the encoder that made a vector; vectors of two encoders must not be mixed, even if they look alike."""

from __future__ import annotations

import hashlib
from pathlib import Path

from export.errors import RepositoryError
from export.triton.files import ONNX, TORCHSCRIPT, model_path
from preprocessing.schema import read_fitted

ENCODER_DIGEST = b"encoder_digest"
"""The key of the digest in the metadata of Parquet files."""


def encoder_digest(repository: str | Path, model: str) -> str:
    """Return the SHA-256 of the schema's digest and of the file that `model` of the repository runs, as hex digits."""
    file = next((path for name in (ONNX, TORCHSCRIPT) if (path := model_path(repository, model, name)).is_file()), None)
    if file is None:
        raise RepositoryError(f"no {model_path('', model)} in {repository}: give what `export repository` wrote")
    digest = hashlib.sha256(read_fitted(repository).digest.encode())
    with file.open("rb") as content:
        while part := content.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
