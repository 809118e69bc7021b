"""`verify.json`: the options of a repository's export, and the difference of each hop from the trained models."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Collection
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from export.errors import EXPORT_AGAIN, RepositoryError
from stage.version import naiad_version
from stage.write_errors import cannot_be_written

VERIFY = "verify.json"


class FamilyResult(BaseModel):
    """`plan`: see `export.repository.plans`. `about`: other content of the family. `registered_model`: in MLflow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: dict[str, Any]
    about: dict[str, Any] = {}
    registered_model: dict[str, Any] | None = None


class Result(BaseModel):
    """The content.

    `family`: the exported one; `families`: that one and those that it joins. `not_compiled`: the reason if there is no
    compiled `preprocess`, else "". `rows`: number of golden rows. `recorded_rows`: number of rows of the data set on
    which `preprocess` is verified. `differences`: the largest difference of each hop.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str
    schema_digest: str
    format: str
    top_k: int
    exclude_seen: bool
    not_compiled: str
    rows: int
    recorded_rows: int
    tolerance: float
    differences: dict[str, float]
    versions: dict[str, str]
    families: dict[str, FamilyResult]


def read_result(repository: str | Path, known: Collection[str]) -> Result:
    """Read verify.json of a repository whose families are all among `known`. Raises `RepositoryError`."""
    path = Path(repository) / VERIFY
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{path}: cannot be read ({error}): give what `export repository` wrote") from None
    if not isinstance(body, dict) or "family" not in body:
        raise RepositoryError(f"{path}: is not of a repository: give what `export repository` wrote")
    versions = body.get("versions")
    by = f"naiad {versions.get('naiad', 'unknown')}" if isinstance(versions, dict) else "another version of naiad"
    families = body.get("families")
    if not isinstance(families, dict):
        raise RepositoryError(
            f"{path}: was written by {by}, whose repositories this version cannot read: {EXPORT_AGAIN}"
        )
    for family in (body["family"], *families):
        if family not in known:
            raise RepositoryError(
                f"{path}: family {family} was written by {by} and is unknown here, known are {', '.join(known)}: "
                f"use that version, or {EXPORT_AGAIN}"
            )
    if body["family"] not in families:
        raise RepositoryError(f"{path}: has no section of its family {body['family']}: {EXPORT_AGAIN}")
    try:
        return Result.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RepositoryError(f"{path}: {where}: {first['msg']}: {EXPORT_AGAIN}") from None


def write_result(result: Result, folder: Path) -> None:
    """Write verify.json atomically: a concurrent reader finds the old or the new one."""
    path, partial = folder / VERIFY, folder / f".{VERIFY}.partial-{os.getpid()}"
    try:
        partial.write_text(result.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise cannot_be_written(path, error) from None
    finally:
        partial.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Return the versions of Naiad, of Python and of the packages on which a graph depends."""
    packages = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "nvtabular")
    return {
        "naiad": naiad_version(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }
