"""Baselines for a learned model: scorers of the same rows over the same catalogue.

Functions import torch when they are called, so that a command can parse its flags without it.
"""

from __future__ import annotations

from collections.abc import Sequence as Names
from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema, Sequence
from stage.errors import BadInput

if TYPE_CHECKING:
    from training.examples.moments import SplitData
    from training.ranking import Scorer

NAMES = ("popularity", "popularity_7_days", "own_most_frequent", "item_knn", "vs_knn")
RECENT_DAYS = 7


class BaselineError(BadInput):
    """A requested baseline needs what the data do not have."""


def baselines(
    data: str | Path, split: SplitData, fitted: FittedSchema, names: Names[str] | None = None
) -> dict[str, Scorer]:
    """Return baselines by name, by default those of `NAMES` that the data allow.

    By default `vs_knn`, a method for sessions that takes minutes on long histories, is left out if the log has users.

    Raises:
        BaselineError: The data do not allow a baseline of `names`.
        SequencesError: There are no training sequences for a neighbour method of `names`.

    """
    from training.examples.sequence_file import SequencesError

    found: dict[str, Scorer] = {}
    for name in NAMES if names is None else names:
        if reason := _not_possible(name, fitted):
            if names is not None:
                raise BaselineError(f"baseline {name}: {reason}; leave it out of --baselines")
            continue
        if names is None and name == "vs_knn" and fitted.schema_.log.columns.user:
            continue
        try:
            found[name] = _scorer(name, data, split, fitted)
        except SequencesError:
            if names is not None:
                raise
    return found


def _not_possible(name: str, fitted: FittedSchema) -> str:
    """Return why the schema does not allow a baseline, "" if it does."""
    if name == "popularity_7_days" and fitted.schema_.log.time_unit == "order":
        return "the log has an order but no times"
    if name == "own_most_frequent" and not _frequent(fitted):
        return 'the schema has no sequence with source = "frequent" and without half_life_days'
    return ""


def _frequent(fitted: FittedSchema) -> str:
    """Return the name of the sequence of a user's most frequent items, "" if the schema has none."""
    sequences = (each for each in fitted.schema_.request_features if isinstance(each, Sequence))
    return next((each.name for each in sequences if each.source == "frequent" and each.half_life_days is None), "")


def _scorer(name: str, data: str | Path, split: SplitData, fitted: FittedSchema) -> Scorer:
    from training.baselines.item_knn import ItemKNN
    from training.baselines.popularity import OwnMostFrequent, Popularity, RecentPopularity, train_counts
    from training.baselines.vs_knn import VSKNN

    match name:
        case "popularity_7_days":
            return RecentPopularity(data, split, fitted, RECENT_DAYS)
        case "popularity":
            return Popularity(train_counts(data, fitted))
        case "own_most_frequent":
            return OwnMostFrequent(split, _frequent(fitted), train_counts(data, fitted))
        case "item_knn":
            return ItemKNN(data, split.name, fitted, train_counts(data, fitted))
        case _:
            return VSKNN(data, split.name, fitted, train_counts(data, fitted))
