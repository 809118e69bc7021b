"""NVTabular without its warnings: each one listed here was checked, and none is about the user's data."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    # NVTabular is made for GPUs and warns at every dataset; our tests check its answers on CPU.
    ("Initializing an NVTabular Dataset in CPU mode", UserWarning),
    # Merlin maps the dtypes of every framework and warns of those that are not installed.
    (".* dtype mappings did not load successfully", UserWarning),
    # stringcase, which Merlin imports, writes '\W' without an r.
    ("invalid escape sequence", DeprecationWarning),
    # pandas 1.5, the last version for NVTabular 23.08, calls a function that numpy 1.25 deprecated.
    ("np.find_common_type is deprecated", DeprecationWarning),
    # numpy warns when LogOp gets a number below -1 in a request: the result is NaN, a null in the served graphs.
    ("(invalid value|divide by zero) encountered in log", RuntimeWarning),
)


@contextmanager
def quiet() -> Iterator[None]:
    """Run NVTabular without its known warnings on pandas."""
    with warnings.catch_warnings():
        for message, category in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


def import_nvtabular() -> ModuleType:
    """Import NVTabular without importing torch.

    Merlin imports torch to translate dtypes that our workflows do not have; it costs 170 MB and seconds per process.
    """
    had_torch = "torch" in sys.modules
    if not had_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        with quiet():
            return importlib.import_module("nvtabular")
    finally:
        if not had_torch:
            del sys.modules["torch"]
