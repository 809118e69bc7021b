"""Which candidates are negatives of which example, how probable each is, and what the memory holds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, read_fitted
from training.checkpoint import new_model
from training.examples.moments import Moments, SplitData
from training.families.two_tower.config import TwoTowerConfig, TwoTowerSettings
from training.families.two_tower.step import TwoTowerStep

CONFIG = TwoTowerConfig(dim=8, dropout=0.0)


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def train(synthetic_data: Path, fitted: FittedSchema) -> SplitData:
    return SplitData(synthetic_data, "train", fitted)


def step_of(data: Path, fitted: FittedSchema, train: SplitData, **settings: object) -> TwoTowerStep:
    torch.manual_seed(3)
    options = TwoTowerSettings.model_validate(settings)
    return TwoTowerStep(new_model(data, fitted, CONFIG), train.target_counts(fitted.items), options)


def test_no_target_of_a_row_is_its_negative_wherever_it_stands(
    synthetic_data: Path, fitted: FittedSchema, train: SplitData
) -> None:
    rows, targets = torch.tensor([0, 0, 1, 2]), torch.tensor([5, 6, 5, 7])
    candidates = torch.tensor([5, 6, 5, 7, 6, 0])
    masked = step_of(synthetic_data, fitted, train)._negatives(rows, targets, candidates)
    assert masked.int().tolist() == [
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 1, 0, 1, 1, 0],
        [1, 1, 1, 0, 1, 0],
    ]
    kept = step_of(synthetic_data, fitted, train, mask_duplicates=False)._negatives(rows, targets, candidates)
    assert kept.int().tolist() == [
        [0, 1, 1, 1, 1, 0],
        [1, 0, 1, 1, 1, 0],
        [1, 1, 0, 1, 1, 0],
        [1, 1, 1, 0, 1, 0],
    ]


@pytest.mark.parametrize("settings", [{}, {"uniform_negatives": 7}, {"uniform_negatives": 7, "logq_strength": 0.5}])
def test_the_probabilities_of_a_candidate_sum_to_one_over_the_catalogue(
    settings: dict[str, object], synthetic_data: Path, fitted: FittedSchema, train: SplitData
) -> None:
    log_q = step_of(synthetic_data, fitted, train, **settings)._log_q(targets=5)
    assert float(log_q[FIRST_KNOWN_ID:].exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_an_item_is_as_probable_as_its_share_of_the_targets(
    synthetic_data: Path, fitted: FittedSchema, train: SplitData
) -> None:
    counts = train.target_counts(fitted.items)[FIRST_KNOWN_ID:]
    assert counts.min() > 0
    share = torch.from_numpy(counts / counts.sum()).float()
    items = len(counts)
    alone = step_of(synthetic_data, fitted, train)._log_q(5)[FIRST_KNOWN_ID:].exp()
    mixed = step_of(synthetic_data, fitted, train, uniform_negatives=15)._log_q(5)[FIRST_KNOWN_ID:].exp()
    assert torch.allclose(alone, share, atol=1e-6)
    assert torch.allclose(mixed, 0.25 * share + 0.75 / items, atol=1e-6)
    flat = step_of(synthetic_data, fitted, train, logq_strength=0.0)._log_q(5)[FIRST_KNOWN_ID:].exp()
    assert torch.allclose(flat, torch.full((items,), 1 / items), atol=1e-6)


def test_the_memory_holds_the_latest_targets_and_only_training_fills_it(
    synthetic_data: Path, fitted: FittedSchema, train: SplitData
) -> None:
    step = step_of(synthetic_data, fitted, train, memory=6)
    examples = Moments(train, train.having_targets())
    batches = [examples.collate([examples[start], examples[start + 1]]) for start in (0, 2, 4)]
    step.eval()(**batches[0])
    assert step.memory_items.tolist() == [0] * 6
    seen: list[int] = [0] * 6
    for batch in batches:
        before = step.model.item_vectors(batch["targets"]).detach()
        step.train()(**batch)
        seen += batch["targets"].tolist()
        assert step.memory_items.tolist() == seen[-6:]
        last = min(6, len(before))
        assert torch.allclose(step.memory_vectors[-last:], before[-last:], atol=1e-6)
    assert not step.memory_vectors.requires_grad
    again = step_of(synthetic_data, fitted, train, memory=6)
    again.load_state_dict(step.state_dict())
    assert torch.equal(again.memory_vectors, step.memory_vectors)


@pytest.mark.parametrize("logq", ["none", "standard", "corrected"])
@pytest.mark.parametrize("more", [{}, {"uniform_negatives": 16}, {"memory": 16}])
def test_every_loss_has_a_finite_gradient_down_to_a_batch_of_one_row(
    logq: str, more: dict[str, object], synthetic_data: Path, fitted: FittedSchema, train: SplitData
) -> None:
    step = step_of(synthetic_data, fitted, train, logq=logq, **more)
    rows = train.having_targets()
    lengths = np.array([len(each) for each in train.target_lists(rows)])
    for chosen in (rows[:8], rows[lengths == 1][:1]):
        loss = step(**Moments(train, rows).collate(chosen.tolist()))["loss"]
        loss.backward()
        assert torch.isfinite(loss)
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in step.parameters())
