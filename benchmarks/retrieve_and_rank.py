"""The loss from ranking only candidates instead of the whole catalogue, by source of the candidates.

Measured on the test split, in torch: NDCG@20 of the `offline_online` model with all other items masked.
The C candidates are the best C of the towers, or of popularity over the train period as the baseline. "with own" is the
candidates of `retrieve_and_rank --candidates C`: own items (of sequences with `repeat`, at most R) and the best C - R.
Several `--retriever`, trained with several seeds, give a mean. The towers' recall@100 is next to the baselines'.

Prints both tables, then one line of JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from stage.arguments import positive
from stage.command import Parser, leave, print_result, run_command

K, RECALL_K, MOST_LOST = 20, 100, 0.02
NDCG, RECALL = f"ndcg@{K}", f"recall@{RECALL_K}"
Result = dict[str, Any]


def run(data: Path, ranker: Path, retrievers: list[Path], counts: list[int], limit: int | None) -> None:
    from preprocessing.schema import read_fitted
    from training.examples.moments import SplitData

    fitted = read_fitted(data)
    rows = SplitData(data, "test", fitted)
    picked = np.arange(len(rows)) if limit is None else np.linspace(0, len(rows) - 1, limit).astype(int)
    alone = recalls(data, retrievers, rows, picked)
    whole, found = losses(data, ranker, retrievers, counts, rows, picked)
    _show(f"{fitted.schema_.name}, test: {len(picked):,} rows, {fitted.items - 3:,} items", alone, whole, found)
    print_result({"data": fitted.schema_.name, "rows": len(picked), NDCG: whole, "recall": alone, "candidates": found})


def recalls(data: Path, retrievers: list[Path], rows: Any, picked: Any) -> list[Result]:
    """Return recall@100 and NDCG@100 of every retriever and baseline over the whole catalogue."""
    from preprocessing.schema import read_fitted
    from training.baselines import baselines
    from training.checkpoint import load_whole
    from training.ranking import model_scorer, rank_split

    fitted = read_fitted(data)
    scorers = {str(path): model_scorer(load_whole(path)) for path in retrievers} | baselines(data, rows, fitted)
    out = []
    for name, scorer in scorers.items():
        metrics = rank_split(scorer, rows, (RECALL_K,), picked, progress=Path(name).name)
        out.append({"source": name, **{key: round(metrics[key], 4) for key in (RECALL, f"ndcg@{RECALL_K}")}})
    return out


def losses(
    data: Path, ranker: Path, retrievers: list[Path], counts: list[int], rows: Any, picked: Any
) -> tuple[float, list[Result]]:
    """Return NDCG@20 over the whole catalogue, and for every source and C the mean over the retrievers and the loss."""
    from export.families.retrieve_and_rank.plan import own_items as count_own
    from metrics import RankingMetrics, target_ranks_from_scores
    from preprocessing.schema import FIRST_KNOWN_ID, read_fitted
    from training.baselines import baselines
    from training.checkpoint import load_whole
    from training.layers.exclusion import exclude_items
    from training.ranking import model_scorer

    fitted = read_fitted(data)
    rank = model_scorer(load_whole(ranker))
    sources = [("towers", model_scorer(load_whole(path))) for path in retrievers]
    sources.append(("popularity", baselines(data, rows, fitted, ["popularity"])["popularity"]))
    most_own = count_own(fitted.schema_)
    whole = RankingMetrics(ks=(K,))
    masked: dict[tuple[str, int], dict[int, RankingMetrics]] = {}
    for start in track(range(0, len(picked), 256), description="rank", console=Console(stderr=True)):
        batch = rows.batch(picked[start : start + 256])
        excluded = [batch.features[name] for name in fitted.schema_.exclude]
        targets = rows.target_lists(batch.index)
        scores = exclude_items(rank(batch), excluded, -torch.inf)
        whole.update(target_ranks_from_scores(scores.numpy(), targets, first_item=FIRST_KNOWN_ID))
        own = own_items(fitted, batch, scores.shape)
        for place, (name, scorer) in enumerate(sources):
            retrieved = exclude_items(scorer(batch), excluded, -torch.inf)
            for source, count, is_candidate in candidates(name, retrieved, own, most_own, counts):
                metrics = masked.setdefault((source, count), {}).setdefault(place, RankingMetrics(ks=(K,)))
                # A target that is not a candidate is ranked behind all candidates; with -inf it would have no rank.
                kept = scores.masked_fill(~is_candidate & (scores > -torch.inf), torch.finfo(scores.dtype).min)
                metrics.update(target_ranks_from_scores(kept.numpy(), targets, first_item=FIRST_KNOWN_ID))
    best = whole.compute()[NDCG]
    found = []
    for (source, count), runs in masked.items():
        values = [metrics.compute()[NDCG] for metrics in runs.values()]
        lost = round(1 - mean(values) / best, 5)
        row: Result = {"source": source, "candidates": count, NDCG: [round(value, 5) for value in values]}
        found.append({**row, "mean": round(mean(values), 5), "loss": lost})
    return round(best, 5), found


def own_items(fitted: Any, batch: Any, shape: Any) -> Tensor:
    """Return whether each item is in a sequence with `repeat` of the request, [B, I]."""
    from preprocessing.schema import FIRST_KNOWN_ID, Sequence

    own = torch.zeros(shape, dtype=torch.bool)
    for feature in fitted.schema_.request_features:
        if isinstance(feature, Sequence) and feature.repeat:
            own = own.scatter(1, batch.features[feature.name], True)
    own[:, :FIRST_KNOWN_ID] = False
    return own


def candidates(
    name: str, retrieved: Tensor, own: Tensor, most_own: int, counts: list[int]
) -> Iterator[tuple[str, int, Tensor]]:
    """Return masks [B, I] of C candidates: the best of scores [B, I], and fewer of them with the user's own items."""
    order = retrieved.topk(max(counts), dim=1).indices
    for count in counts:
        yield name, count, torch.zeros_like(own).scatter(1, order[:, :count], True)
    for count in counts:
        yield f"{name} with own", count, own.scatter(1, order[:, : count - most_own], True)


def _show(title: str, alone: list[Result], whole: float, found: list[Result]) -> None:
    console = Console()
    table = Table(title=f"{title}: retrieval", title_justify="left")
    for header in ("source", RECALL, f"ndcg@{RECALL_K}"):
        table.add_column(header, justify="left" if header == "source" else "right", no_wrap=True)
    for row in alone:
        table.add_row(Path(row["source"]).name, f"{row[RECALL]:.4f}", f"{row[f'ndcg@{RECALL_K}']:.4f}")
    console.print(table)
    table = Table(title=f"{title}: ranking candidates; the whole catalogue {whole:.4f}", title_justify="left")
    for header in ("candidates", "C", NDCG, f"lost (≤ {MOST_LOST:.0%} at 500)"):
        table.add_column(header, justify="left" if header == "candidates" else "right", no_wrap=True)
    for row in found:
        table.add_row(row["source"], str(row["candidates"]), f"{row['mean']:.4f}", f"{row['loss']:.2%}")
    console.print(table)


def main() -> None:
    parser = Parser(prog="python -m benchmarks.retrieve_and_rank", description=__doc__)
    folder = Path("runs/complete_journey")
    parser.add_argument("--data", type=Path, default=folder / "data", help="default %(default)s")
    parser.add_argument("--ranker", type=Path, default=folder / "model", help="default %(default)s")
    parser.add_argument("--retriever", type=Path, nargs="+", required=True, help="two_tower models of the same data")
    parser.add_argument("--candidates", type=positive, nargs="+", default=[250, 300, 500, 1000], metavar="C")
    parser.add_argument("--rows", type=positive, help="number of evenly spaced rows of the split (default all)")
    given = parser.parse_args()
    run_command(lambda: run(given.data, given.ranker, given.retriever, given.candidates, given.rows))


if __name__ == "__main__":
    leave(main)
