"""`training evaluate`: the metrics of a model and of the baselines on a split."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from metrics.table import metrics_table
from preprocessing.schema import FIRST_KNOWN_ID
from training.baselines import baselines, train_counts
from training.checkpoint import load_whole
from training.early import before_evaluate
from training.examples.moments import SplitData
from training.failures import enough_memory
from training.families import find
from training.ranking import model_scorer, rank_split


@enough_memory()
def evaluate(
    data: str | Path, model: str | Path, split: str = "test", ks: tuple[int, ...] | None = None
) -> dict[str, object]:
    """Print the table and return the model's metrics, with the metrics of each baseline under its name.

    ks: cut-offs, the family's by default.

    If the model's NDCG at the largest of `ks` is not above that of every baseline, a line on standard error says so.
    """
    from rich.console import Console

    fitted, config = before_evaluate(data, model, split)
    moments = SplitData(data, split, fitted)
    rows = find(config.family).rows(Path(data), split, fitted, config)
    ks = ks or find(config.family).ks
    counts = train_counts(data, fitted)
    # Without users, every session counts as a user of its own.
    owners, owner_count = "users" if fitted.schema_.log.columns.user else "sessions", moments.user_count()
    scorers = {"model": model_scorer(load_whole(model)), **baselines(data, moments, fitted)}
    found = {name: rank_split(scorer, rows, ks, counts=counts, progress=name) for name, scorer in scorers.items()}
    items = fitted.items - FIRST_KNOWN_ID
    title = f"{fitted.schema_.name}, {split}: {len(rows):,} rows of {owner_count:,} {owners}, {items:,} items"
    Console().print(metrics_table(found, title))
    if behind := behind_a_baseline(found, f"ndcg@{max(ks)}"):
        print(f"naiad: {behind}", file=sys.stderr)
    own = found.pop("model")
    return {"split": split, "rows": len(rows), owners: owner_count, **own, **found}


def behind_a_baseline(found: Mapping[str, Mapping[str, float]], metric: str) -> str:
    """Return a line about the best baseline if "model" is not above it, else ""."""
    name, best = max(((name, of[metric]) for name, of in found.items() if name != "model"), key=lambda each: each[1])
    own = found["model"][metric]
    if own > best:
        return ""
    return (
        f"the model does not beat {name}: {metric} {own:.4f} against {best:.4f}; train longer (--epochs), or check "
        "which features the schema has"
    )
