"""`verify.json`: how a repository was exported, and how far each hop of it is from the trained model.

A repository of two families holds what each says of itself under the family's name, beside what it says of both.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from export.errors import RepositoryError
from export.families.offline_online.plan import Plan
from export.parity.compare import TOLERANCE, VERIFY
from export.repository.registry import RegisteredModel
from export.triton.version import naiad_version
from stage.write_errors import cannot_be_written


def describe_export(
    plan: Plan,
    refusal: str,
    rows: int,
    recorded: int,
    differences: dict[str, float],
    registered: RegisteredModel | None,
) -> dict[str, Any]:
    """The content.

    `refusal`: why there is no compiled `preprocess`, "" if there is. `rows`: golden ones. `recorded`: those of the
    data set that the compiled `preprocess` is run on.
    """
    return {
        "family": plan.family,
        "schema_digest": plan.digest,
        "format": plan.format,
        "top_k": plan.top_k,
        "exclude_seen": plan.exclude_seen,
        "not_compiled": refusal,
        "rows": rows,
        "recorded_rows": recorded if plan.compiled else 0,
        "tolerance": TOLERANCE,
        "differences": differences,
        "versions": versions(),
        **({"registered_model": registered.as_json()} if registered else {}),
    }


def read_result(repository: str | Path, family: str | None = None) -> dict[str, Any]:
    """What it says of `family`, or all of it. Raises `RepositoryError` where it says nothing of it."""
    path = Path(repository) / VERIFY
    try:
        exported: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        own = exported if family in (None, exported["family"]) else exported.get(family)
        if own is not None:
            dict(own["differences"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RepositoryError(f"{path}: cannot be read ({error}): give what `export repository` wrote") from None
    if own is None:
        raise RepositoryError(f"{repository}: is of family {exported['family']}, give a repository of {family}")
    return own


def write_result(result: dict[str, Any], folder: Path) -> None:
    """Write what a family says of itself; whoever reads verify.json meanwhile finds the old one or the new one."""
    path, partial = folder / VERIFY, folder / f".{VERIFY}.partial-{os.getpid()}"
    whole = read_result(folder) if path.is_file() else result
    whole = {**whole, **(result if whole["family"] == result["family"] else {result["family"]: result})}
    try:
        partial.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise cannot_be_written(path, error) from None
    finally:
        partial.unlink(missing_ok=True)


def require_hops(exported: dict[str, Any], hops: Iterable[str], repository: Path) -> None:
    """Raises `RepositoryError` where a model is gone that was held to the trained one when it was exported."""
    for hop in exported["differences"]:
        if hop in hops and not (repository / hop / "config.pbtxt").is_file():
            raise RepositoryError(f"no {hop} in {repository}: export the repository again")


def versions() -> dict[str, str]:
    packages = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "nvtabular")
    return {
        "naiad": naiad_version(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }
