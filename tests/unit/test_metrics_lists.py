"""Coverage and novelty of top-K lists, as one counts them by hand."""

import math

import numpy as np
import pytest

from metrics import ListMetrics, RankError

COUNTS = np.array([0, 0, 0, 8, 4, 2, 1, 1])  # three special ids, then five items


def test_coverage_and_novelty_are_those_counted_by_hand() -> None:
    metrics = ListMetrics(COUNTS, ks=(1, 2), first_item=3)
    metrics.update(np.array([[3, 4], [3, 6]]))
    metrics.update(np.array([[4, 3]]))
    values = metrics.compute()
    assert values["coverage@1"] == 2 / 5
    assert values["coverage@2"] == 3 / 5
    assert values["novelty@1"] == pytest.approx((1 + 1 + 2) / 3)
    assert values["novelty@2"] == pytest.approx((1 + 2 + 1 + 4 + 2 + 1) / 6)


def test_a_list_shorter_than_k_and_its_empty_slots_count_what_they_hold() -> None:
    metrics = ListMetrics(COUNTS, ks=(100,), first_item=3)
    metrics.update(np.array([[3, 0, 0], [5, 4, 0]]))
    assert metrics.compute() == {"coverage@100": 3 / 5, "novelty@100": pytest.approx((1 + 3 + 2) / 3)}


def test_the_novelty_of_an_item_without_purchases_is_finite() -> None:
    metrics = ListMetrics(np.array([3.5, 0]), ks=(1,))
    metrics.update(np.array([[1]]))
    assert metrics.compute()["novelty@1"] == pytest.approx(math.log2(8))


def test_lists_without_an_item_and_a_catalogue_without_one_are_defined() -> None:
    empty = ListMetrics(COUNTS, ks=(2,), first_item=3)
    empty.update(np.zeros((2, 2), dtype=np.int64))
    assert empty.compute() == {"coverage@2": 0.0, "novelty@2": 0.0}
    with pytest.raises(RankError, match="has no item from 3 on"):
        ListMetrics(np.zeros(3), first_item=3)
