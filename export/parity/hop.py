"""A hop: one step of a served chain, which can be verified alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stage.progress import Report

Differences = dict[str, float]
"""The largest difference of each hop, by name."""


@dataclass(frozen=True)
class Hop:
    """A check under its name in verify.json.

    `name`: name of the verified model (different if a model is verified in two ways). `check`: returns the largest
    difference; raises `ParityError` beyond the tolerance, `RepositoryError` if a model cannot be run. `shared`: all
    families of a repository have the model, and the hop of one of them verifies it.
    """

    name: str
    check: Callable[[], float]
    shared: bool = False


def check_hops(hops: Sequence[Hop], report: Report) -> Differences:
    """Verify every hop, in this order. Raises at the first that fails."""
    differences: Differences = {}
    for hop in hops:
        report(f"verify {hop.name}")
        differences[hop.name] = hop.check()
    return differences
