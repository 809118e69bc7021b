"""The version of Naiad, which every config.pbtxt carries; the project runs from its checkout and is never installed."""

import tomllib
from pathlib import Path


def naiad_version() -> str:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"])
