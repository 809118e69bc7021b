"""Sequence encoders: other rows of the batch and the amount of padding change nothing."""

import pytest
import torch

from preprocessing.schema import Encoder
from training.layers.encoders import SequenceEncoder, ages

WIDTH, LENGTH = 16, 12
TYPES = ["mean", "t5", "distilbert", "bert"]


def encoder(kind: str) -> SequenceEncoder:
    torch.manual_seed(0)
    made = SequenceEncoder(Encoder.model_validate({"type": kind}), WIDTH, LENGTH, dropout=0.1).eval()
    torch.nn.init.normal_(made.age_logits)
    return made


@pytest.mark.parametrize("kind", TYPES)
def test_padding_does_not_change_what_is_pooled(kind: str) -> None:
    made = encoder(kind)
    vectors = torch.randn(1, 5, WIDTH)
    mask = torch.ones(1, 5, dtype=torch.bool)
    wider = torch.cat([vectors, torch.randn(1, 7, WIDTH)], dim=1)
    wider_mask = torch.cat([mask, torch.zeros(1, 7, dtype=torch.bool)], dim=1)
    with torch.no_grad():
        _, narrow = made(vectors, mask)
        _, wide = made(wider, wider_mask)
    assert torch.allclose(narrow, wide, atol=1e-6)


@pytest.mark.parametrize("kind", TYPES)
def test_an_empty_sequence_pools_to_zero(kind: str) -> None:
    with torch.no_grad():
        _, pooled = encoder(kind)(torch.randn(2, 4, WIDTH), torch.zeros(2, 4, dtype=torch.bool))
    assert torch.equal(pooled, torch.zeros(2, WIDTH))


@pytest.mark.parametrize("kind", ["t5", "distilbert", "bert"])
def test_a_transformer_lets_positions_see_each_other(kind: str) -> None:
    made = encoder(kind)
    vectors = torch.randn(1, 4, WIDTH)
    changed = vectors.clone()
    changed[0, 0] = torch.randn(WIDTH)
    mask = torch.ones(1, 4, dtype=torch.bool)
    with torch.no_grad():
        assert not torch.allclose(made(vectors, mask)[0][0, 3], made(changed, mask)[0][0, 3], atol=1e-4)


def test_age_counts_back_from_the_newest_visible_position() -> None:
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    assert ages(mask).tolist() == [[2, 1, 0, 0], [0, 0, 0, 0]]


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide the width 16"):
        SequenceEncoder(Encoder(type="t5", heads=3), WIDTH, LENGTH, 0.0)
