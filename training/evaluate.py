"""`training evaluate`: the model's metrics on a split beside those of the baselines."""

from __future__ import annotations

from pathlib import Path

from metrics.table import metrics_table
from preprocessing.schema import read_fitted, require_same_digest
from training.baselines import baselines, train_counts
from training.checkpoint import load_whole, read_config
from training.data import SplitData
from training.ranking import model_scorer, rank_split

KS = {"offline_online": (5, 10, 20), "two_tower": (20, 100)}


def evaluate(
    data: str | Path, model: str | Path, split: str = "test", ks: tuple[int, ...] | None = None
) -> dict[str, object]:
    """Print the table and return the model's metrics, with each baseline's under its name; `ks`: see KS."""
    from rich.console import Console

    fitted = read_fitted(data)
    require_same_digest(fitted, read_fitted(model), f"the model in {model}")
    rows = SplitData(data, split, fitted)
    ks = ks or KS[read_config(model).family]
    counts = train_counts(data)
    scorers = {"model": model_scorer(load_whole(model)), **baselines(data, rows, fitted)}
    found = {
        name: rank_split(scorer, rows, fitted, ks, counts=counts, progress=name) for name, scorer in scorers.items()
    }
    Console().print(metrics_table(found, f"{fitted.schema_.name}, {split}: {len(rows):,} rows, {fitted.items:,} items"))
    own = found.pop("model")
    return {"split": split, "rows": len(rows), **own, **found}
