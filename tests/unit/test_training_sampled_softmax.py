"""The sampled softmax against slow references, and its corrected gradient against that of the whole softmax."""

import math

import pytest
import torch

from training.losses import Correction, sampled_softmax

T, P = 5, 9


def example(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positive, candidates = torch.randn(T, generator=generator), torch.randn(T, P, generator=generator)
    is_negative = torch.rand(T, P, generator=generator) < 0.7
    log_q = torch.log_softmax(torch.randn(T + P, generator=generator), dim=0)
    return positive, candidates, is_negative, log_q[:T], log_q[T:]


def slow_loss(parts: tuple[torch.Tensor, ...], correction: Correction) -> float:
    """One example after the other, in plain Python."""
    positive, candidates, is_negative, positive_log_q, candidate_log_q = (part.tolist() for part in parts)
    losses = []
    for t, p in enumerate(positive):
        negatives = [(s, q) for s, q, take in zip(candidates[t], candidate_log_q, is_negative[t], strict=True) if take]
        if correction == "none":
            losses.append(-math.log(math.exp(p) / (math.exp(p) + sum(math.exp(s) for s, _ in negatives))))
        elif correction == "standard":
            above = math.exp(p - positive_log_q[t])
            losses.append(-math.log(above / (above + sum(math.exp(s - q) for s, q in negatives))))
        else:
            left = 1 - math.exp(positive_log_q[t])
            weights = [math.exp(s) / (math.exp(q) / left) for s, q in negatives]
            known = math.exp(p) / (math.exp(p) + sum(weights) / len(weights))
            losses.append(-(1 - known) * math.log(math.exp(p) / sum(weights)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("correction", ["none", "standard", "corrected"])
def test_the_loss_equals_the_slow_reference(correction: Correction) -> None:
    parts = example()
    assert parts[2].any(dim=1).all()
    assert float(sampled_softmax(*parts, correction)) == pytest.approx(slow_loss(parts, correction), rel=1e-5)


def test_items_that_are_all_equally_frequent_need_no_standard_correction() -> None:
    positive, candidates, is_negative, _, _ = example(1)
    flat = torch.full((T,), -math.log(50)), torch.full((P,), -math.log(50))
    standard = sampled_softmax(positive, candidates, is_negative, *flat, "standard")
    plain = sampled_softmax(positive, candidates, is_negative, *flat, "none")
    assert torch.allclose(standard, plain)


@pytest.mark.parametrize("correction", ["none", "standard", "corrected"])
def test_an_example_without_negatives_costs_and_teaches_nothing(correction: Correction) -> None:
    positive, candidates, is_negative, positive_log_q, log_q = example(2)
    is_negative[1] = False
    kept = torch.tensor([0, 2, 3, 4])
    positive.requires_grad_(True)
    loss = sampled_softmax(positive, candidates, is_negative, positive_log_q, log_q, correction)
    others = sampled_softmax(
        positive[kept], candidates[kept], is_negative[kept], positive_log_q[kept], log_q, correction
    )
    assert torch.allclose(loss, others)
    (gradient,) = torch.autograd.grad(loss, positive)
    assert gradient[1] == 0
    assert torch.isfinite(gradient).all()
    alone = sampled_softmax(positive, candidates, torch.zeros_like(is_negative), positive_log_q, log_q, correction)
    assert float(alone.detach()) == 0


def gradient_by_item(correction: Correction, draws: int, negatives: int) -> torch.Tensor:
    """Mean gradient over many draws of candidates from Q, by the scores of the items, [I]."""
    scores, share = catalogue()
    generator = torch.Generator().manual_seed(11)
    drawn = torch.multinomial(share, draws * negatives, replacement=True, generator=generator).view(draws, negatives)
    scores.requires_grad_(True)
    losses = torch.zeros(())
    for ids in drawn.split(1):
        candidates = ids[0]
        losses = losses + sampled_softmax(
            scores[POSITIVE].expand(1),
            scores[candidates][None],
            (candidates != POSITIVE)[None],
            share.log()[[POSITIVE]],
            share.log()[candidates],
            correction,
        )
    return torch.autograd.grad(losses / draws, scores)[0]


POSITIVE = 1


def catalogue() -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and shares of 12 items, the positive a popular one."""
    generator = torch.Generator().manual_seed(5)
    scores, taste = torch.randn(12, generator=generator), torch.randn(12, generator=generator)
    scores[POSITIVE], taste[POSITIVE] = 2.0, 2.0
    return scores, torch.softmax(taste, dim=0)


def test_the_corrected_gradient_is_that_of_the_whole_softmax_where_the_standard_one_is_not() -> None:
    scores, _ = catalogue()
    whole = torch.softmax(scores, dim=0)
    whole[POSITIVE] -= 1
    corrected, standard = (gradient_by_item(each, draws=1000, negatives=60) for each in ("corrected", "standard"))
    assert (corrected - whole).norm() < 0.05 * whole.norm()
    assert (standard - whole).norm() > 0.2 * whole.norm()
