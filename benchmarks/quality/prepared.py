"""Data folders of `preprocessing fit`, kept between runs under a digest of the schema and the bytes of the log."""

from __future__ import annotations

import hashlib
import sys
from contextlib import redirect_stdout
from pathlib import Path

from preprocessing.schema import Schema
from stage.version import naiad_version


def prepared(schema: Schema, source: Path, folder: Path) -> Path:
    """Return the data folder of a fit, `FOLDER/DIGEST/data`; an earlier one of the same input is used again.

    Raises:
        BadInput: The log contradicts the schema.

    """
    data = folder / _digest(schema, source) / "data"
    if not (data / "schema.json").is_file():
        from preprocessing.fit import fit

        data.parent.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):
            fit(schema, source, data)
    return data


def _digest(schema: Schema, source: Path) -> str:
    from preprocessing.inputs import input_paths
    from preprocessing.log.read import Source

    digest = hashlib.sha256(f"{naiad_version()}\n{schema.model_dump_json()}".encode())
    for path in input_paths(schema, Source(source)):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
