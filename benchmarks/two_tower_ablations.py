"""Ablations of the two-tower loss: each option switched on or off, all else equal, on one fit.

The data are MovieLens-100K with settings and split of `benchmarks.two_tower_ml100k` and the ids-only schema (or
--schema). A prepared folder (--data), such as runs/complete_journey/data, replaces them. Each variant trains with every
seed; recall@100 on validation picks the checkpoint, and the figures are from the test.

Prints a table of means, then one line of JSON with a row for every variant and seed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.two_tower_ml100k import DIM, SETTINGS, TARGETS, K, preprocess, train
from stage.command import Parser, leave, print_result, run_command

METRICS = (f"recall@{K}", f"ndcg@{K}", f"coverage@{K}", f"novelty@{K}")
VARIANTS: dict[str, dict[str, Any]] = {
    "corrected logQ": {},
    "standard logQ": {"logq": "standard"},
    "no logQ": {"logq": "none"},
    "half-strength logQ": {"logq_strength": 0.5},
    "duplicates kept": {"mask_duplicates": False},
    "1,024 uniform": {"uniform_negatives": 1024},
    "memory 4,096": {"memory": 4096},
    "uniform and memory": {"uniform_negatives": 1024, "memory": 4096},
    "temperature 0.05": {"temperature": 0.05},
    "temperature 0.2": {"temperature": 0.2},
}
LARGER: dict[str, Any] = {"epochs": 1, "batch_size": 512, "validation_rows": 2048}
Result = dict[str, Any]


def run(source: Path, schema: str, data: Path | None, seeds: list[int]) -> None:
    """Train every variant with every seed, on `data` or on a new fit of `source`."""
    from preprocessing.schema import read_fitted

    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            data = Path(folder) / "data"
            preprocess(source, schema, 42, data)
            name, settings, dim = schema, SETTINGS, DIM
        else:
            name, settings, dim = read_fitted(data).schema_.name, SETTINGS | LARGER, 64
        results = [
            {"variant": variant, "seed": seed}
            | one_run(data, Path(folder) / f"{place}-{seed}", dim, seed, settings | VARIANTS[variant])
            for place, variant in enumerate(VARIANTS)
            for seed in seeds
        ]
    _show(name, results, seeds)
    print_result({"data": name, "seeds": seeds, "rows": results})


def one_run(data: Path, model: Path, dim: int, seed: int, settings: dict[str, Any]) -> Result:
    from preprocessing.schema import read_fitted
    from training.baselines.popularity import train_counts
    from training.checkpoint import load_whole
    from training.examples.moments import SplitData
    from training.ranking import model_scorer, rank_split

    started = time.monotonic()
    validation = train(data, model, seed, settings, dim)
    seconds = time.monotonic() - started
    fitted = read_fitted(data)
    test = SplitData(data, "test", fitted)
    found = rank_split(model_scorer(load_whole(model)), test, (K,), counts=train_counts(data, fitted))
    return {
        "validation": round(validation, 4),
        **{name: round(found[name], 4) for name in METRICS},
        "seconds": round(seconds, 1),
    }


def _show(name: str, results: list[Result], seeds: list[int]) -> None:
    title = f"{name}, test, all at {K}, mean of {len(seeds)} seed{'s' * (len(seeds) > 1)}"
    table = Table(title=title, title_justify="left")
    for column in ("variant", "valid", *(metric.partition("@")[0] for metric in METRICS), "s"):
        table.add_column(column, justify="left" if column == "variant" else "right", no_wrap=True)
    for variant in VARIANTS:
        rows = [row for row in results if row["variant"] == variant]
        means = [f"{mean(row[column] for row in rows):.4f}" for column in ("validation", *METRICS)]
        table.add_row(variant, *means, f"{mean(row['seconds'] for row in rows):.0f}")
    Console().print(table)


def main() -> None:
    parser = Parser(prog="python -m benchmarks.two_tower_ablations", description=__doc__)
    parser.add_argument("--source", type=Path, default=Path("../shared/data/ml-100k"), help="folder of the log")
    parser.add_argument("--schema", choices=TARGETS, default="movielens_ids")
    parser.add_argument("--data", type=Path, help="output folder of `preprocessing fit`, instead of the log")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44], help="default 42 43 44")
    arguments = parser.parse_args()
    run_command(lambda: run(arguments.source, arguments.schema, arguments.data, arguments.seeds))


if __name__ == "__main__":
    leave(main)
