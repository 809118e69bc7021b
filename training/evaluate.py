"""`training evaluate`: the metrics of a model and of the baselines on a split."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from metrics.table import metrics_table
from preprocessing.schema import FIRST_KNOWN_ID
from training.baselines import baselines
from training.baselines.popularity import train_counts
from training.checkpoint import load_whole
from training.difference import difference
from training.early import before_evaluate
from training.examples.moments import SplitData
from training.failures import enough_memory
from training.families import find
from training.ranking import model_scorer, rank_rows


@enough_memory()
def evaluate(
    data: str | Path,
    model: str | Path,
    split: str = "test",
    ks: tuple[int, ...] | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, object]:
    """Print the table and return the model's metrics, with the metrics of each baseline under its name.

    ks: cut-offs, the family's by default. names: baselines, by default those of `baselines`.

    The NDCG at the largest of `ks` is compared with that of the best baseline: the difference has an interval by users,
    and a line on standard error says so if the model is not ahead.
    """
    from rich.console import Console

    fitted, config = before_evaluate(data, model, split)
    moments = SplitData(data, split, fitted)
    rows = find(config.family).rows(Path(data), split, fitted, config)
    ks = ks or find(config.family).ks
    metric = f"ndcg@{max(ks)}"
    counts = train_counts(data, fitted)
    # Without users, every session counts as a user of its own.
    owners, owner = "users" if fitted.schema_.log.columns.user else "sessions", moments.users()
    owner_count = int(owner.max()) + 1
    scorers = {"model": model_scorer(load_whole(model)), **baselines(data, moments, fitted, names)}
    found, values = {}, {}
    for name, scorer in scorers.items():
        ranking = rank_rows(scorer, rows, ks, counts=counts, progress=name, keep=metric)
        found[name], values[name] = ranking.compute(), ranking.targets.kept()
    items = fitted.items - FIRST_KNOWN_ID
    title = f"{fitted.schema_.name}, {split}: {len(rows):,} rows of {owner_count:,} {owners}, {items:,} items"
    Console().print(metrics_table(found, title))
    against: dict[str, object] = {}
    if best := best_baseline(found, metric):
        apart = difference(values["model"], values[best], owner)
        print(
            f"model - {best}: {metric} {apart.mean:+.4f}, 95% interval {apart.low:+.4f} to {apart.high:+.4f} "
            f"by {owner_count:,} {owners}"
        )
        interval = [apart.low, apart.high]
        against = {"best_baseline": best, "difference": {"metric": metric, "mean": apart.mean, "interval_95": interval}}
    if behind := behind_a_baseline(found, metric):
        print(f"naiad: {behind}", file=sys.stderr)
    own = found.pop("model")
    return {"split": split, "rows": len(rows), owners: owner_count, **against, **own, **found}


def best_baseline(found: Mapping[str, Mapping[str, float]], metric: str) -> str:
    """Return the name of the baseline with the highest metric, "" if there is no baseline."""
    return max((name for name in found if name != "model"), key=lambda name: found[name][metric], default="")


def behind_a_baseline(found: Mapping[str, Mapping[str, float]], metric: str) -> str:
    """Return a line about the best baseline if "model" is not above it, else ""."""
    name, own = best_baseline(found, metric), found["model"][metric]
    if not name or own > found[name][metric]:
        return ""
    best = found[name][metric]
    return (
        f"the model does not beat {name}: {metric} {own:.4f} against {best:.4f}; train longer (--epochs), or check "
        "which features the schema has"
    )
