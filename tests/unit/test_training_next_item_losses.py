"""The losses of next-item models against slow references in float64, one position after the other."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from training.loss_choice import SOFTMAX_UP_TO, Loss, LossSettings, default_loss
from training.losses import Correction, NextItemLoss, next_item, sampled_softmax
from training.losses.linear import PLAIN_UP_TO, full_softmax
from training.losses.negatives import HIDDEN, Negatives, draw_distinct, negative_scores
from training.losses.pairwise import bpr_max, gbce, gbce_beta
from training.losses.sampled import sampled_linear_softmax

N, ITEMS, D, K = 300, 40, 8, 12
CORRECTIONS: tuple[Correction, ...] = ("none", "standard", "corrected")
LOSSES: tuple[Loss, ...] = ("softmax", "sampled_softmax", "gbce", "bpr_max")


def example(items: int = ITEMS, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden vectors [N, D], a table [items, D] with loud special ids, and targets [N]."""
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(N, D, generator=generator) * scale
    table = torch.randn(items, D, generator=generator)
    table[:3] = 100.0
    return hidden.requires_grad_(), table.requires_grad_(), torch.randint(3, items, (N,), generator=generator)


def counts(items: int = ITEMS) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 50, items)


def gradients(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, inputs))


def require_equal(loss: Callable[..., Tensor], slow: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Require equal values and gradients of a loss in float32 and of its slow reference in float64."""
    double = [each.detach().double().requires_grad_() for each in inputs]
    found, expected = loss(*inputs), slow(*double)
    assert found.dtype == torch.float32
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5, abs=1e-6)
    for got, wanted in zip(gradients(found, *inputs), gradients(expected, *double), strict=True):
        assert torch.allclose(got.double(), wanted, rtol=1e-4, atol=2e-6)


def mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()


@pytest.mark.parametrize("items", [ITEMS, PLAIN_UP_TO + 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_full_softmax_equals_the_sum_over_all_known_items(items: int, smoothing: float) -> None:
    hidden, table, targets = example(items)

    def slow(hidden: Tensor, table: Tensor) -> Tensor:
        losses = []
        for vector, target in zip(hidden, targets, strict=True):
            logs = (vector * table[3:]).sum(dim=1)
            logs = logs - torch.log(torch.exp(logs).sum())
            losses.append(-(1 - smoothing) * logs[target - 3] - smoothing * logs.mean())
        return mean(losses)

    loss = NextItemLoss(LossSettings(loss="softmax", label_smoothing=smoothing), counts(items))
    require_equal(lambda hidden, table: loss(hidden, table, targets), slow, hidden, table)


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_the_softmax_over_shared_negatives_equals_the_one_with_a_mask(correction: Correction, scale: float) -> None:
    hidden, table, targets = example(scale=scale)
    negatives = Negatives(counts(), K, popularity=0.5, shared=True)
    drawn, log_q = negatives.draw(N), negatives.log_q
    is_negative = drawn != targets[:, None]
    assert 0 < (~is_negative).sum() < N

    def masked(hidden: Tensor, table: Tensor) -> Tensor:
        scores, log_share = hidden @ table.T, log_q.double()
        positive = scores.gather(1, targets[:, None])[:, 0]
        return sampled_softmax(
            positive, scores[:, drawn], is_negative, log_share[targets], log_share[drawn], correction
        )

    require_equal(
        lambda hidden, table: sampled_linear_softmax(hidden, table, targets, drawn, log_q, correction),
        masked,
        hidden,
        table,
    )


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_with_every_item_drawn_the_sampled_softmax_has_the_gradient_of_the_full_one(correction: Correction) -> None:
    hidden, table, targets = example()
    sampled = NextItemLoss(LossSettings(loss="sampled_softmax", negatives=10_000, logq=correction), counts())
    full = full_softmax(hidden, table[3:], targets - 3)
    for got, wanted in zip(
        gradients(sampled(hidden, table, targets), hidden, table), gradients(full, hidden, table), strict=True
    ):
        assert torch.allclose(got, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_a_target_that_outweighs_all_others_gives_finite_numbers(correction: Correction) -> None:
    table = torch.eye(ITEMS).requires_grad_()
    targets = torch.tensor([3, 4, 5])
    hidden = (200.0 * torch.eye(ITEMS)[torch.tensor([3, 4, 9])]).requires_grad_()
    log_q = torch.full((ITEMS,), -math.log(K))
    loss = sampled_linear_softmax(hidden, table, targets, torch.tensor([3, 5, 9, 11]), log_q, correction)
    assert float(loss.detach()) > 0
    assert all(torch.isfinite(each).all() for each in gradients(loss, hidden, table))


@pytest.mark.parametrize("shared", [True, False])
def test_gbce_equals_its_formula(shared: bool) -> None:
    hidden, table, targets = example()
    drawn = Negatives(counts(), K, popularity=0.0, shared=shared).draw(N)
    beta = gbce_beta(ITEMS - 3, K, calibration=0.75)

    def slow(hidden: Tensor, table: Tensor) -> Tensor:
        losses = []
        for vector, target, negatives in zip(hidden, targets, drawn.expand(N, -1), strict=True):
            total = torch.log(torch.sigmoid(vector @ table[target]) ** beta)
            for item in negatives:
                if item != target:
                    total = total + torch.log(1 - torch.sigmoid(vector @ table[item]))
            losses.append(-total / (K + 1))
        return mean(losses)

    def fast(hidden: Tensor, table: Tensor) -> Tensor:
        return gbce((hidden * table[targets]).sum(1), negative_scores(hidden, table, targets, drawn), beta)

    require_equal(fast, slow, hidden, table)


def test_the_exponent_of_gbce_goes_from_one_to_the_sampling_rate() -> None:
    alpha = 256 / (10_001 - 1)
    assert gbce_beta(10_001, 256, 0.0) == 1
    assert gbce_beta(10_001, 256, 1.0) == pytest.approx(alpha)
    assert gbce_beta(10_001, 256, 0.75) == pytest.approx(alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha))
    assert gbce_beta(5, 256, 1.0) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_bpr_max_equals_its_formula(shared: bool) -> None:
    hidden, table, targets = example()
    drawn = Negatives(counts(), K, popularity=1.0, shared=shared).draw(N)

    def slow(hidden: Tensor, table: Tensor) -> Tensor:
        losses = []
        for vector, target, negatives in zip(hidden, targets, drawn.expand(N, -1), strict=True):
            scores = torch.stack([vector @ table[item] for item in negatives if item != target])
            weights = torch.exp(scores) / torch.exp(scores).sum()
            won = (weights * torch.sigmoid(vector @ table[target] - scores)).sum()
            losses.append(-torch.log(won) + 0.7 * (weights * scores**2).sum())
        return mean(losses)

    def fast(hidden: Tensor, table: Tensor) -> Tensor:
        return bpr_max((hidden * table[targets]).sum(1), negative_scores(hidden, table, targets, drawn), 0.7)

    require_equal(fast, slow, hidden, table)


@pytest.mark.parametrize("gap", [-300.0, 300.0])
def test_far_scores_give_finite_losses(gap: float) -> None:
    positive = torch.full((2,), gap, requires_grad=True)
    negatives = torch.tensor([[0.0, 1.0], [HIDDEN, 2.0]], requires_grad=True)
    for loss in (gbce(positive, negatives, 0.3), bpr_max(positive, negatives, 1.0)):
        found = [loss, *gradients(loss, positive, negatives)]
        assert all(torch.isfinite(each).all() for each in found)
        assert found[2][1, 0] == 0


@pytest.mark.parametrize("popularity", [0.0, 1.0])
def test_a_shared_set_has_distinct_known_items_at_the_stated_rate(popularity: float) -> None:
    torch.manual_seed(0)
    negatives = Negatives(counts(), K, popularity, shared=True)
    expected = negatives.expected
    assert float(expected.sum()) == pytest.approx(K)
    assert float(expected.max()) <= 1
    sets = [negatives.draw(N) for _ in range(2000)]
    assert all(len(each) == len(each.unique()) == K for each in sets)
    rate = torch.bincount(torch.cat(sets), minlength=ITEMS) / len(sets)
    assert (rate[:3] == 0).all()
    assert (rate - expected).abs().max() < 5 * 0.5 / math.sqrt(len(sets))


def test_any_two_items_can_be_in_one_set() -> None:
    torch.manual_seed(0)
    negatives = Negatives(counts(), K, popularity=0.0, shared=True)
    drawn = torch.zeros(1000, ITEMS)
    for row in drawn:
        row[negatives.draw(N)] = 1
    together = (drawn.T @ drawn)[3:, 3:]
    assert float(together.min()) > 0


def test_items_that_are_too_frequent_are_in_every_set_and_the_others_fill_it() -> None:
    popular = np.array([9, 9, 9, 1000, 1000, 10, 10, 10, 20])
    negatives = Negatives(popular, 4, popularity=1.0, shared=True)
    assert negatives.expected.tolist() == pytest.approx([0, 0, 0, 1, 1, 0.4, 0.4, 0.4, 0.8])
    assert all({3, 4} <= set(draw_distinct(negatives.expected).tolist()) for _ in range(20))


def test_own_negatives_follow_the_shares_of_known_items() -> None:
    torch.manual_seed(0)
    negatives = Negatives(counts(), 100, popularity=1.0, shared=False)
    drawn = negatives.draw(2000)
    assert drawn.shape == (2000, 100)
    rate = torch.bincount(drawn.flatten(), minlength=ITEMS) / drawn.numel()
    assert (rate[:3] == 0).all()
    assert torch.allclose(rate.double(), negatives.expected / 100, atol=0.002)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_follows_the_seed_and_never_teaches_the_special_ids(name: Loss, shared: bool) -> None:
    hidden, table, targets = example()
    loss = NextItemLoss(LossSettings(loss=name, negatives=K, negatives_shared=shared), counts())
    torch.manual_seed(1)
    first = loss(hidden, table, targets)
    torch.manual_seed(1)
    again = loss(hidden, table, targets)
    assert torch.equal(first, again)
    if name != "softmax":
        assert not torch.equal(first, loss(hidden, table, targets))
    (of_table,) = gradients(first, table)
    assert (of_table[:3] == 0).all()
    assert (of_table[targets] != 0).any(dim=1).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_positions_and_a_catalogue_of_one_cost_nothing_that_is_not_finite(name: Loss) -> None:
    hidden, table, targets = example()
    loss = NextItemLoss(LossSettings(loss=name), counts())
    nothing = loss(hidden[:0], table, targets[:0])
    assert float(nothing.detach()) == 0
    assert all((each == 0).all() for each in gradients(nothing, hidden, table))
    alone = NextItemLoss(LossSettings(loss=name), counts(4))(hidden, table[:4], torch.full((N,), 3))
    assert all(torch.isfinite(each).all() for each in [alone, *gradients(alone, hidden, table)])


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_blocks_of_positions_do_not_change_a_loss(name: Loss, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, table, targets = example()
    loss = NextItemLoss(LossSettings(loss=name, negatives=K, negatives_shared=shared), counts())
    found = []
    for block in (next_item.BLOCK, 7 * K * D):
        monkeypatch.setattr(next_item, "BLOCK", block)
        torch.manual_seed(1)
        mean = loss(hidden, table, targets)
        found.append([mean, *gradients(mean, hidden, table)])
    assert all(torch.allclose(one, many, rtol=1e-4, atol=1e-6) for one, many in zip(*found, strict=True))


def test_bfloat16_vectors_are_scored_in_float32() -> None:
    hidden, table, targets = example(PLAIN_UP_TO + 100)
    for name in LOSSES:
        loss = NextItemLoss(LossSettings(loss=name), counts(PLAIN_UP_TO + 100))
        assert loss(hidden.bfloat16(), table, targets).dtype == torch.float32


def test_the_default_loss_depends_on_the_size_of_the_catalogue() -> None:
    assert default_loss(SOFTMAX_UP_TO) == "softmax"
    assert default_loss(SOFTMAX_UP_TO + 1) == "sampled_softmax"
    assert NextItemLoss(LossSettings(), counts()).loss == "softmax"


def test_label_smoothing_is_refused_where_it_is_not_defined() -> None:
    with pytest.raises(ValidationError, match="label_smoothing is defined for the loss softmax, seen gbce"):
        LossSettings(loss="gbce", label_smoothing=0.1)
