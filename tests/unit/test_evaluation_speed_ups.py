"""The evaluation of a split gives, to the bit, what a plain sort of copies of the scores gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from metrics import ListMetrics, RankingMetrics, TargetRanks
from training.best_items import SLICES, SMALLEST_SLICE, best_items
from training.layers.exclusion import exclude_items, exclude_items_in_place
from training.ranking import ScoreError, Scorer, rank_rows, rank_split

ROWS, K = 70, 5


@dataclass(frozen=True)
class Moment:
    index: np.ndarray
    features: dict[str, Tensor]
    excluded: tuple[Tensor, ...]


class Moments:
    """Rows with several targets, some of them excluded, unknown or in no catalogue."""

    def __init__(self, items: int) -> None:
        random = np.random.default_rng(items)
        self._seen = torch.from_numpy(random.integers(0, items, (ROWS, 6)))
        self._targets = [random.choice(np.arange(2, items + 4), 1 + row % 4, replace=False) for row in range(ROWS)]

    def __len__(self) -> int:
        return ROWS

    def batch(self, rows: np.ndarray) -> Moment:
        return Moment(rows, {}, (self._seen[rows], self._seen[rows][:, :2]))

    def target_lists(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self._targets[row] for row in rows]


def scorer_of(items: int, distinct: int) -> Scorer:
    """Return a scorer with about `distinct` different scores."""
    torch.manual_seed(items)
    scores = torch.randint(0, distinct, (ROWS, items)).float()
    return lambda batch: scores[batch.index]


def slow(scorer: Scorer, data: Moments, counts: np.ndarray, batch: int) -> dict[str, float]:
    """Sort every row whole: a target comes after all equal scores of items that are not targets of the row."""
    metrics, lists = RankingMetrics((1, K)), ListMetrics(counts, (1, K), 3)
    for start in range(0, ROWS, batch):
        rows = np.arange(start, min(start + batch, ROWS))
        moment = data.batch(rows)
        scores = exclude_items(scorer(moment), moment.excluded, -torch.inf).numpy()
        targets = data.target_lists(rows)
        ranks, best = [], np.zeros((len(rows), K), dtype=np.int64)
        for row, wanted in enumerate(targets):
            shown = [item for item in range(3, scores.shape[1]) if scores[row, item] > -np.inf]
            by_rank = sorted(shown, key=lambda item: (-scores[row, item], item in wanted))
            order = {item: rank for rank, item in enumerate(by_rank, 1)}
            own = sorted((order.get(item, 0) for item in wanted), key=lambda rank: rank)
            ranks.extend(own)
            listed = sorted(shown, key=lambda item: (-scores[row, item], item))[:K]
            best[row, : len(listed)] = listed
        metrics.update(TargetRanks(np.array(ranks), np.array([len(wanted) for wanted in targets])))
        lists.update(best)
    return metrics.compute() | lists.compute()


@pytest.mark.parametrize("distinct", [1, 4, 1 << 22])
@pytest.mark.parametrize("items", [8, 60, 500])
def test_a_split_has_the_metrics_of_the_slow_reference_to_the_bit(items: int, distinct: int) -> None:
    counts, data, scorer = np.arange(items), Moments(items), scorer_of(items, distinct)
    found = rank_split(scorer, data, (1, K), counts=counts, batch_size=16)
    assert found == slow(scorer, data, counts, 16)


def test_batches_are_as_large_as_the_catalogue_allows_and_change_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    data, scorer, sizes = Moments(60), scorer_of(60, 1 << 22), []

    def recorded(batch: Moment) -> Tensor:
        sizes.append(len(batch.index))
        return scorer(batch)

    whole = rank_split(recorded, data, (K,))
    assert sizes == [32, ROWS - 32]
    monkeypatch.setattr("training.ranking.SCORES", 60 * 10)
    sizes.clear()
    assert rank_split(recorded, data, (K,)) == pytest.approx(whole, abs=1e-12)
    assert sizes == [32, 10, 10, 10, 8]


def test_the_values_of_every_row_have_the_metric_as_their_mean() -> None:
    ranking = rank_rows(scorer_of(60, 9), Moments(60), (1, K), keep=f"ndcg@{K}")
    assert len(ranking.targets.kept()) == ROWS
    assert ranking.targets.kept().mean() == pytest.approx(ranking.compute()[f"ndcg@{K}"])


@pytest.mark.parametrize("items", [1, K, SLICES * SMALLEST_SLICE * K, SLICES * SMALLEST_SLICE * (K + 1) + 3])
@pytest.mark.parametrize("distinct", [1, 3, 1 << 22])
def test_the_best_items_are_those_of_a_stable_sort(items: int, distinct: int) -> None:
    torch.manual_seed(items)
    scores = torch.randint(0, distinct, (40, items)).float()
    scores[torch.rand(scores.shape) < 0.2] = -torch.inf
    scores[0], scores[1, 1:] = -torch.inf, -torch.inf
    order = scores.sort(dim=1, descending=True, stable=True)
    expected = order.indices[:, :K].masked_fill(order.values[:, :K] == -torch.inf, 0)
    assert torch.equal(best_items(scores, K), expected)


def test_items_are_excluded_in_place_as_they_are_in_a_copy() -> None:
    scores, ids = torch.randn(4, 12), torch.randint(0, 12, (4, 5))
    kept = scores.clone()
    copied = exclude_items(scores, (ids, ids[:, :1]), -1e4)
    assert torch.equal(scores, kept)
    assert torch.equal(exclude_items_in_place(scores, (ids, ids[:, :1]), -1e4), copied)
    assert torch.equal(scores, copied)


def test_scores_that_are_not_numbers_are_refused_with_a_remedy() -> None:
    def broken(batch: Moment) -> Tensor:
        scores = torch.zeros(len(batch.index), 60)
        scores[-1, 40] = torch.nan
        return scores

    with pytest.raises(ScoreError, match="--learning-rate"):
        rank_split(broken, Moments(60), (K,))
