from types import SimpleNamespace
from typing import Any


def find(name: str) -> Any:
    from training.families.config import CONFIGS

    return SimpleNamespace(config=CONFIGS[name])
