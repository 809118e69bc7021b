"""The sparse loss is the dense softmax over the whole catalogue."""

import torch

from training.families.offline_online.model import RankerParts, spread_repeats
from training.layers.encoders import INVISIBLE
from training.layers.exclusion import exclude_items
from training.losses import softmax_cross_entropy

B, ITEMS, R = 4, 30, 9


def some_parts(seed: int = 0) -> RankerParts:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(B, ITEMS, generator=generator)
    ids = torch.randint(0, ITEMS, (B, R), generator=generator)
    logits = torch.randn(B, R, generator=generator).masked_fill(ids == 0, INVISIBLE)
    return RankerParts(scores, ids, logits)


def dense_loss(parts: RankerParts, excluded: list[torch.Tensor], targets: list[list[int]]) -> float:
    scores = exclude_items(spread_repeats(parts), excluded, INVISIBLE).double()
    logs = torch.log_softmax(scores, dim=1)
    rows = [-logs[row, ids].mean() for row, ids in enumerate(targets) if ids]
    return float(torch.stack(rows).mean())


def flat(targets: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [row for row, ids in enumerate(targets) for _ in ids]
    return torch.tensor(rows), torch.tensor([item for ids in targets for item in ids])


def test_the_sparse_loss_equals_the_dense_softmax_over_all_items() -> None:
    parts = some_parts()
    targets = [[5], [7, 9, 11], [int(parts.repeat_items[2].max())], [3, 4]]
    excluded = [torch.tensor([[6, 0], [8, 12], [0, 0], [29, 28]])]
    rows, items = flat(targets)
    loss = softmax_cross_entropy(parts.scores, rows, items, excluded, parts[1:])
    assert abs(float(loss) - dense_loss(parts, excluded, targets)) < 1e-5


def test_rows_without_known_targets_do_not_weigh() -> None:
    parts = some_parts(1)
    targets = [[5], [], [7, 8], []]
    rows, items = flat(targets)
    loss = softmax_cross_entropy(parts.scores, rows, items, repeats=parts[1:])
    assert abs(float(loss) - dense_loss(parts, [], targets)) < 1e-5


def test_a_model_without_repeats_has_the_plain_softmax() -> None:
    scores = some_parts().scores
    nothing = RankerParts(scores, torch.zeros(B, 0, dtype=torch.int64), torch.zeros(B, 0))
    targets = [[5], [6], [7], [8]]
    rows, items = flat(targets)
    for repeats in (nothing[1:], None):
        loss = softmax_cross_entropy(scores, rows, items, repeats=repeats)
        assert abs(float(loss) - dense_loss(nothing, [], targets)) < 1e-6


def test_equal_repeated_items_add_up_before_the_logarithm() -> None:
    scores = torch.zeros(1, 6)
    parts = RankerParts(scores, torch.tensor([[4, 4, 5, 0]]), torch.tensor([[0.0, 0.0, 0.0, INVISIBLE]]))
    spread = spread_repeats(parts)[0]
    assert torch.allclose(spread[4], torch.log1p(torch.tensor(2.0)))
    assert torch.allclose(spread[5], torch.log1p(torch.tensor(1.0)))
    assert torch.equal(spread[:4], torch.zeros(4))
