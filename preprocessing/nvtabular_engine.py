"""NVTabular's noise, kept from the user's terminal: each warning here was read, and none is about the user's data."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    # NVTabular was made for GPUs and says so at every dataset; on CPU our tests hold its answers.
    ("Initializing an NVTabular Dataset in CPU mode", UserWarning),
    # Merlin offers to map the dtypes of every framework and names those that are not installed.
    (".* dtype mappings did not load successfully", UserWarning),
    # stringcase, which Merlin imports, writes '\W' without an r.
    ("invalid escape sequence", DeprecationWarning),
    # pandas 1.5, the last that NVTabular 23.08 takes, calls what numpy 1.25 deprecated.
    ("np.find_common_type is deprecated", DeprecationWarning),
    # numpy, of LogOp on a request's number below -1: it is NaN, which the served graphs take for null.
    ("(invalid value|divide by zero) encountered in log", RuntimeWarning),
)


@contextmanager
def quiet() -> Iterator[None]:
    """Run NVTabular without the warnings that it is known to give on pandas."""
    with warnings.catch_warnings():
        for message, category in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


def import_nvtabular() -> ModuleType:
    """NVTabular, imported without torch where that is not there yet.

    Merlin imports torch to translate dtypes that no workflow of ours has: 170 MB and seconds in every process.
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
