"""Ranks and metrics against a slow reference that sorts plain Python lists."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metrics import RankError, RankingMetrics, TargetRanks, target_ranks_from_lists, target_ranks_from_scores

Row = tuple[list[float], list[int]]


def reference_metrics(rows: list[Row], k: int) -> dict[str, float]:
    """The textbook way: sort each row with its targets last among equals, walk down, average over rows."""
    totals = dict.fromkeys(("ndcg", "recall", "precision", "map", "mrr", "hit_rate"), 0.0)
    found = asked = 0
    for scores, targets in rows:
        shown = [item for item in range(len(scores)) if scores[item] != -math.inf]
        shown.sort(key=lambda item: (-scores[item], item in targets))
        relevant = [item in targets for item in shown[:k]]
        hits = sum(relevant)
        ideal = sum(1 / math.log2(i + 2) for i in range(min(len(targets), k)))
        totals["ndcg"] += sum(1 / math.log2(i + 2) for i, hit in enumerate(relevant) if hit) / ideal
        totals["recall"] += hits / len(targets)
        totals["precision"] += hits / k
        precisions = [sum(relevant[: i + 1]) / (i + 1) for i, hit in enumerate(relevant) if hit]
        totals["map"] += sum(precisions) / min(len(targets), k)
        totals["mrr"] += 1 / (relevant.index(True) + 1) if hits else 0.0
        totals["hit_rate"] += 1.0 if hits else 0.0
        found, asked = found + hits, asked + len(targets)
    means = {f"{name}@{k}": value / len(rows) for name, value in totals.items()}
    return means | {f"categorical_accuracy@{k}": found / asked}


@st.composite
def batches(draw: st.DrawFn) -> list[Row]:
    """Rows over one catalogue: scores of four values (many ties) or masked, targets inside and outside."""
    items = draw(st.integers(1, 12))
    row = st.tuples(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0, -math.inf]), min_size=items, max_size=items),
        st.lists(st.integers(-3, items + 3), min_size=1, max_size=items + 2, unique=True),
    )
    return draw(st.lists(row, min_size=1, max_size=6))


@settings(max_examples=300, deadline=None)
@given(batches(), st.integers(1, 15))
@example([([-math.inf], [0])], 1)
@example([([0.5], [0])], 3)
def test_metrics_from_scores_equal_the_slow_reference(rows: list[Row], k: int) -> None:
    metrics = RankingMetrics(ks=(k,))
    metrics.update(target_ranks_from_scores(np.array([r[0] for r in rows], np.float32), [r[1] for r in rows]))
    assert metrics.compute() == pytest.approx(reference_metrics(rows, k), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(batches(), st.booleans())
def test_lists_that_hold_the_whole_catalogue_give_the_same_ranks(rows: list[Row], as_strings: bool) -> None:
    scores = np.array([row[0] for row in rows], np.float32)
    targets = [row[1] for row in rows]
    name: Any = str if as_strings else int
    order = np.argsort(-scores, axis=1, kind="stable")
    ids = [[name(item) if scores[r, item] > -np.inf else name() for item in order[r]] for r in range(len(rows))]
    listed = target_ranks_from_lists(
        ids, np.take_along_axis(scores, order, axis=1), [[name(t) for t in row] for row in targets]
    )
    whole = target_ranks_from_scores(scores, targets)
    np.testing.assert_array_equal(listed.ranks, whole.ranks)
    np.testing.assert_array_equal(listed.lengths, whole.lengths)


@settings(max_examples=100, deadline=None)
@given(batches(), st.integers(1, 5))
def test_chunks_add_up_to_the_whole(rows: list[Row], cut: int) -> None:
    scores, targets = np.array([row[0] for row in rows]), [row[1] for row in rows]
    whole, chunked = RankingMetrics(ks=(1, 5)), RankingMetrics(ks=(1, 5))
    whole.update(target_ranks_from_scores(scores, targets))
    for start in range(0, len(rows), cut):
        chunked.update(target_ranks_from_scores(scores[start : start + cut], targets[start : start + cut]))
    assert chunked.compute() == pytest.approx(whole.compute(), abs=1e-12)
    assert chunked.rows == len(rows)


def test_a_list_shorter_than_the_catalogue_ranks_its_items_as_the_catalogue_does() -> None:
    generator = np.random.default_rng(3)
    scores = generator.permuted(np.tile(np.arange(500, dtype=np.float32), (40, 1)), axis=1)
    targets = [generator.choice(500, size=7, replace=False) for _ in range(40)]
    top = np.argsort(-scores, axis=1)[:, :50]
    listed = target_ranks_from_lists(top, np.take_along_axis(scores, top, axis=1), targets)
    whole = target_ranks_from_scores(scores, targets)
    np.testing.assert_array_equal(listed.ranks, np.where(whole.ranks <= 50, whole.ranks, 0))


def test_a_known_row_has_the_ranks_one_counts_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.5, 0.5, 0.1, -np.inf]])
    ranks = target_ranks_from_scores(scores, [[1, 3, 4, 5, 99]]).ranks
    assert ranks.tolist() == [3, 4, 5, 0, 0]


def test_a_model_of_constant_scores_earns_nothing() -> None:
    metrics = RankingMetrics(ks=(10,))
    metrics.update(target_ranks_from_scores(np.zeros((4, 50)), [[0], [1, 2], [49], [7]]))
    assert set(metrics.compute().values()) == {0.0}


def test_ids_before_the_first_item_are_not_items_and_unknown_targets_may_repeat() -> None:
    scores = np.array([[9.0, 9.0, 9.0, 0.2, 0.4]])
    ranks = target_ranks_from_scores(scores, [[3, 2, 2]], first_item=3)
    assert ranks.ranks.tolist() == [2, 0, 0]
    assert ranks.lengths.tolist() == [3]


def test_targets_outside_of_the_catalogue_count_in_the_denominators() -> None:
    metrics = RankingMetrics(ks=(2,))
    metrics.update(target_ranks_from_lists([["a", "b"]], np.array([[2.0, 1.0]]), [["a", "x", "y", "z"]]))
    values = metrics.compute()
    assert values["recall@2"] == 0.25
    assert values["map@2"] == 0.5
    assert values["ndcg@2"] == pytest.approx(1 / (1 + 1 / math.log2(3)))


@pytest.mark.parametrize(
    ("ids", "scores", "targets", "message"),
    [
        ([["a", "b"]], [[1.0, 0.5]], [["a", "a"]], "row 0 has a target more than once"),
        ([["a", "a"]], [[1.0, 0.5]], [["a"]], "row 0 lists an item more than once"),
        ([["a", "b"], ["a", "b"]], [[1.0, 0.5], [1.0, math.nan]], [["a"], ["b"]], "row 1 has a NaN score"),
        ([["a", "b"]], [[1.0, 0.5]], [[]], "row 0 has no targets"),
        ([[b"a", b"b"]], [[1.0, 0.5]], [["a"]], "lists bytes ids for str targets"),
        ([["a"]], [[1.0, 0.5]], [["a"]], "row 0 lists 1 items for 2 scores"),
        ([["a", "b"]], [[1.0, 0.5]], [["a"], ["b"]], "for 2 rows of targets"),
    ],
)
def test_lists_that_cannot_be_ranked_are_refused_by_name(
    ids: list[list[Any]], scores: list[list[float]], targets: list[list[str]], message: str
) -> None:
    with pytest.raises(RankError, match=message):
        target_ranks_from_lists(ids, np.array(scores), targets)


@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        ([[1.0, 2.0]], [[1, 1]], "row 0 has target 1 more than once"),
        ([[1.0, math.nan]], [[0]], "row 0 has a NaN score"),
        ([[1.0, 2.0]], [[]], "row 0 has no targets"),
        ([[1.0, 2.0]], [[0], [1]], r"scores \[1, 2\] for 2 rows"),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused_by_name(
    scores: list[list[float]], targets: list[list[int]], message: str
) -> None:
    with pytest.raises(RankError, match=message):
        target_ranks_from_scores(np.array(scores), targets)


def test_metrics_of_no_rows_or_of_a_k_below_one_are_refused() -> None:
    with pytest.raises(RankError, match="no rows"):
        RankingMetrics(ks=(5,)).compute()
    with pytest.raises(RankError, match="at least 1, seen"):
        RankingMetrics(ks=(0,))
    with pytest.raises(RankError, match="one rank a target"):
        TargetRanks(np.array([1, 2]), np.array([1]))


def test_a_test_split_of_lists_is_ranked_in_well_under_a_second() -> None:
    generator = np.random.default_rng(0)
    ids = generator.permuted(np.tile(np.arange(1000), (12_000, 1)), axis=1)[:, :100].astype(str).astype(object)
    scores = -np.sort(-generator.random((12_000, 100), dtype=np.float32), axis=1)
    targets = [generator.choice(1000, size=9, replace=False).astype(str).tolist() for _ in range(12_000)]
    start = time.process_time()
    metrics = RankingMetrics(ks=(10, 20))
    metrics.update(target_ranks_from_lists(ids, scores, targets))
    assert time.process_time() - start < 2.0, "measured 0.4 s on an idle 2-core machine"


def test_a_block_of_catalogue_wide_scores_is_ranked_cheaply() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((256, 30_000), dtype=np.float32)
    targets = [generator.choice(30_000, size=10, replace=False) for _ in range(256)]
    start = time.process_time()
    target_ranks_from_scores(scores, targets)
    assert time.process_time() - start < 0.5, "measured 0.03 s on an idle 2-core machine"
