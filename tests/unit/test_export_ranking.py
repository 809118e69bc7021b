"""The serving part of a ranking, and the comparison of rankings."""

import numpy as np
import pytest
import torch

from export.errors import ParityError
from export.families.offline_online.graphs import spread_sparsely
from export.parity.compare import compare_rankings, compare_tensors
from training.families.offline_online.model import RankerParts, spread_repeats


@pytest.mark.parametrize("length", [0, 1, 60])
def test_the_repeat_term_is_spread_to_the_bit_as_in_training(length: int) -> None:
    torch.manual_seed(length)
    logits = torch.randn(5, length) * 3
    logits[0] = -1e4
    parts = RankerParts(torch.randn(5, 40), torch.randint(0, 40, (5, length)), logits)
    assert torch.equal(spread_sparsely(parts), spread_repeats(parts))


def ranking(ids: list[int], scores: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([ids], dtype=np.int64), np.array([scores], dtype=np.float32)


EXPECTED = dict(zip(("item_ids", "score"), ranking([9, 8, 7, 0], [3.0, 2.0, 2.0, -np.inf]), strict=True))


def test_items_of_tied_scores_may_change_places() -> None:
    assert compare_rankings("hop", EXPECTED, *ranking([9, 7, 8, 0], [3.0, 2.00005, 2.0, -np.inf])) < 1e-4
    tied_at_the_end = {name: values[:, :3] for name, values in EXPECTED.items()}
    assert compare_rankings("hop", tied_at_the_end, *ranking([9, 8, 6], [3.0, 2.0, 2.0])) == 0


@pytest.mark.parametrize(
    ("ids", "scores"),
    [
        ([8, 9, 7, 0], [3.0, 2.0, 2.0, -np.inf]),
        ([9, 8, 8, 0], [3.0, 2.0, 2.0, -np.inf]),
        ([9, 8, 7, 5], [3.0, 2.0, 2.0, -np.inf]),
        ([9, 8, 7, 0], [3.0002, 2.0, 2.0, -np.inf]),
        ([9, 8, 7, 0], [3.0, 2.0, 2.0, 0.0]),
        ([9, 8, 7, 0], [3.0, 2.0, np.nan, -np.inf]),
    ],
)
def test_any_other_ranking_is_refused(ids: list[int], scores: list[float]) -> None:
    with pytest.raises(ParityError):
        compare_rankings("hop", EXPECTED, *ranking(ids, scores))


def test_tensors_of_another_shape_or_type_are_refused() -> None:
    ids = np.zeros((2, 3), dtype=np.int64)
    for other in ({}, {"ids": ids[:1]}, {"ids": ids.astype(np.int32)}, {"ids": ids + 1}):
        with pytest.raises(ParityError, match=r"^hop: ids "):
            compare_tensors("hop", {"ids": ids}, other)
    assert compare_tensors("hop", {"ids": ids}, {"ids": ids, "more": ids}) == 0
