"""Ranking of the whole catalogue on a split: the same code for the model, the baselines and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metrics import ListMetrics, NaNScoreError, RankError, RankingMetrics, target_ranks_from_scores
from preprocessing.schema import FIRST_KNOWN_ID
from stage.errors import BadInput
from training.best_items import best_items
from training.examples.folder import DataError
from training.examples.moments import Array
from training.families.family import Model, RankedBatch, Rows
from training.layers.exclusion import exclude_items_in_place


class ScoreError(BadInput):
    """A model whose scores cannot be ranked."""


Scorer = Callable[[RankedBatch], Tensor]
"""A function of B rows that returns a new tensor of scores [B, I], which its caller overwrites."""

FIRST_ROWS, MOST_ROWS = 32, 256
SCORES = 1 << 22
"""Number of scores in a batch: 16 MiB of float32."""


def rank_split(
    scorer: Scorer,
    data: Rows,
    ks: tuple[int, ...],
    rows: Array | None = None,
    counts: Array | None = None,
    batch_size: int | None = None,
    progress: str | None = None,
) -> dict[str, float]:
    """Return metrics of a scorer over all items except special and excluded ids.

    counts: purchases of the train period, [I]; if given, coverage and novelty of the top-k lists are added.
    batch_size: number of rows at once, by default at most `MOST_ROWS`, with about `SCORES` scores.
    """
    return rank_rows(scorer, data, ks, rows, counts, batch_size, progress).compute()


def rank_rows(
    scorer: Scorer,
    data: Rows,
    ks: tuple[int, ...],
    rows: Array | None = None,
    counts: Array | None = None,
    batch_size: int | None = None,
    progress: str | None = None,
    keep: str | None = None,
) -> Ranking:
    """Return the accumulated metrics of `rank_split`; `keep` names a metric whose value is kept for every row."""
    ranking = Ranking(RankingMetrics(ks, keep), None if counts is None else ListMetrics(counts, ks, FIRST_KNOWN_ID))
    rows = np.arange(len(data)) if rows is None else rows
    with _bar(progress, len(rows)) as advance:
        place, size = 0, batch_size or FIRST_ROWS
        while place < len(rows):
            chunk = rows[place : place + size]
            batch = data.batch(chunk)
            scores = exclude_items_in_place(scorer(batch), batch.excluded, -torch.inf)
            ranking.add(scores, data.target_lists(chunk), chunk[0])
            place += len(chunk)
            size = batch_size or max(1, min(MOST_ROWS, SCORES // scores.shape[1]))
            advance(len(chunk))
    return ranking


@dataclass(frozen=True)
class Ranking:
    """The metrics of ranked rows; `lists` is None if they were not requested."""

    targets: RankingMetrics
    lists: ListMetrics | None

    def add(self, scores: Tensor, targets: list[Array], first: int) -> None:
        """Add rows of scores [B, I], -inf at excluded items; `first` is the number of the first row."""
        try:
            self.targets.update(target_ranks_from_scores(scores.numpy(), targets, first_item=FIRST_KNOWN_ID))
        except NaNScoreError:
            raise ScoreError(
                "scores are not numbers: train with a lower --learning-rate, or clip the numeric features"
            ) from None
        except RankError as error:
            raise DataError(f"rows from {first} on: {error}: run the fit again") from None
        if self.lists is not None:
            self.lists.update(best_items(scores, max(self.lists.ks)).numpy())

    def compute(self) -> dict[str, float]:
        """Return all metrics."""
        return self.targets.compute() | ({} if self.lists is None else self.lists.compute())


@contextmanager
def _bar(title: str | None, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a progress bar on standard error; there is none without a title."""
    if title is None:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{title:<24}", total=total)
        yield lambda count: bar.advance(task, count)


def model_scorer(model: Model) -> Scorer:
    """Return a scorer of a model in evaluation mode, float32 on the CPU; the items' part is computed once."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        catalogue = model.catalogue()

    def score(batch: RankedBatch) -> Tensor:
        with torch.no_grad():
            features = {name: value.to(device) for name, value in batch.features.items()}
            scores = model.scores(features, catalogue).float().cpu()
        # A view of the catalogue, such as one score per item for all rows, would be overwritten with it.
        is_view = scores.untyped_storage().data_ptr() == catalogue.untyped_storage().data_ptr()
        return scores.clone() if is_view else scores

    return score
