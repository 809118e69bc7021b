"""Ranking of the whole catalogue on a split: the same code for the model, the baselines and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from metrics import ListMetrics, RankError, RankingMetrics, target_ranks_from_scores
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID
from stage.errors import BadInput
from training.examples.folder import DataError
from training.examples.moments import Array
from training.families.family import Model, RankedBatch, Rows
from training.layers.exclusion import exclude_items


class ScoreError(BadInput):
    """A model whose scores cannot be ranked."""


Scorer = Callable[[RankedBatch], Tensor]


def rank_split(
    scorer: Scorer,
    data: Rows,
    ks: tuple[int, ...],
    rows: Array | None = None,
    counts: Array | None = None,
    batch_size: int = 256,
    progress: str | None = None,
) -> dict[str, float]:
    """Return metrics of a scorer ([B] rows -> scores [B, I]) over all items except special and excluded ids.

    counts: purchases of the train period, [I]; if given, coverage and novelty of the top-k lists are added.
    """
    metrics = RankingMetrics(ks=ks)
    lists = None if counts is None else ListMetrics(counts, ks, FIRST_KNOWN_ID)
    rows = np.arange(len(data)) if rows is None else rows
    for chunk in _chunks(rows, batch_size, progress):
        batch = data.batch(chunk)
        scores = exclude_items(scorer(batch), batch.excluded, -torch.inf)
        targets = data.target_lists(chunk)
        if torch.isnan(scores).any():
            raise ScoreError("scores are not numbers: train with a lower --learning-rate, or clip the numeric features")
        try:
            metrics.update(target_ranks_from_scores(scores.numpy(), targets, first_item=FIRST_KNOWN_ID))
        except RankError as error:
            raise DataError(f"rows from {chunk[0]} on: {error}: run the fit again") from None
        if lists is not None:
            best, ids = torch.topk(scores, min(max(ks), scores.shape[1]), dim=1)
            lists.update(ids.masked_fill(best == -torch.inf, PADDING_ID).numpy())
    return metrics.compute() | ({} if lists is None else lists.compute())


def _chunks(rows: Array, size: int, progress: str | None) -> Iterator[Array]:
    from rich.console import Console
    from rich.progress import track

    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    if progress is None:
        return iter(chunks)
    return iter(track(chunks, description=f"{progress:<24}", console=Console(stderr=True)))


def model_scorer(model: Model) -> Scorer:
    """Return a scorer of a model in evaluation mode, float32 on the CPU; the items' part is computed once."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        catalogue = model.catalogue()

    def score(batch: RankedBatch) -> Tensor:
        with torch.no_grad():
            features = {name: value.to(device) for name, value in batch.features.items()}
            return model.scores(features, catalogue).float().cpu()

    return score
