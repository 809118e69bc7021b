"""The version of Naiad; the project runs from its checkout and is never installed."""

import tomllib
from pathlib import Path


def naiad_version() -> str:
    """Return the version that pyproject.toml states."""
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"])
