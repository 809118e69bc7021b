"""The `shan` model: the paper's formulas, the same at every position, and users only where they are asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from preprocessing.schema import FittedSchema, read_fitted
from tests.lively import lively_model
from tests.next_item_models import Array, histories, prefixes, softmax, weights
from training.families.next_item import NextItemSettings
from training.families.shan import FAMILY
from training.families.shan.config import ShanConfig
from training.families.shan.model import Shan, ShanError

LENGTHS = (9, 1, 2, 3, 4, 8)
CONFIGS = [
    ShanConfig(dim=12, short=short, query=query, users=users, max_length=9)
    for short in (1, 3, 20)
    for query, users in (("learned", 0), ("mean", 0), ("mean", 50))
]


def slow(model: Shan, history: list[int], user: int) -> Array:
    """Equations 1 to 6 of the paper, item by item, in float64."""
    held, table = weights(model), model.catalogue().detach().double().numpy()
    vectors = [table[item] for item in history]
    if model.users is not None:
        query = held["users.weight"][user]
    else:
        query = held["query"] if model.query_kind == "learned" else np.mean(vectors, axis=0)

    def pooled(layer: str, members: list[Array]) -> Array:
        hidden = [np.maximum(held[f"{layer}.weight"] @ x + held[f"{layer}.bias"], 0) for x in members]
        shares = softmax([query @ each for each in hidden])
        total: Array = sum((share * x for share, x in zip(shares, members, strict=True)), np.zeros(len(query)))
        return total

    older, newest = vectors[: -model.short], vectors[-model.short :]
    return pooled("hybrid", ([pooled("long", older)] if older else []) + newest)


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda each: f"{each.short} {each.query} {each.users}")
def test_a_history_has_the_vector_of_the_paper_and_every_position_that_of_its_prefix(
    config: ShanConfig, synthetic_data: Path, fitted: FittedSchema
) -> None:
    model = lively_model(synthetic_data, fitted, config)
    rows, users = histories(fitted.items, *LENGTHS), torch.arange(len(LENGTHS)) * 7
    given = users if config.users else None
    with torch.no_grad():
        table = model.catalogue()
        encoded = model.encode(rows, table, given)
        pairs, targets = model.training_pairs(rows, table, given)
    expected = [slow(model, row[row > 0].tolist(), int(user)) for row, user in zip(rows, users, strict=True)]
    np.testing.assert_allclose(encoded.numpy(), expected, atol=1e-5)
    assert targets.tolist() == rows[:, 1:][rows[:, 1:] > 0].tolist()
    owners = users.repeat_interleave(torch.tensor(LENGTHS) - 1)
    of_prefixes = [slow(model, row[0].tolist(), int(user)) for row, user in zip(prefixes(rows), owners, strict=True)]
    np.testing.assert_allclose(pairs.numpy(), of_prefixes, atol=1e-5)


def test_padding_changes_nothing_and_a_row_without_items_is_finite(synthetic_data: Path, fitted: FittedSchema) -> None:
    model = lively_model(synthetic_data, fitted, ShanConfig(dim=12, short=3))
    rows = histories(fitted.items, *LENGTHS)
    wider = torch.nn.functional.pad(rows, (0, 5))
    with torch.no_grad():
        table = model.catalogue()
        torch.testing.assert_close(model.encode(wider, table), model.encode(rows, table))
        torch.testing.assert_close(model.training_pairs(wider, table), model.training_pairs(rows, table))
        assert model.encode(torch.zeros_like(rows), table).isfinite().all()


def test_the_gradients_of_all_positions_are_finite(synthetic_data: Path, fitted: FittedSchema) -> None:
    config, settings = ShanConfig(dim=12, short=3), NextItemSettings()
    model = lively_model(synthetic_data, fitted, config).train()
    step = FAMILY.step(model, FAMILY.examples(synthetic_data, fitted, config, settings), fitted, settings)
    step(histories(fitted.items, *LENGTHS))["loss"].backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    used = {name for name, grad in gradients.items() if grad is not None and grad.isfinite().all() and grad.any()}
    assert used == gradients.keys()


def test_users_are_trained_and_evaluated_by_the_number_of_their_row(synthetic_data: Path, fitted: FittedSchema) -> None:
    config = ShanConfig(dim=12, users=24, max_length=1000)
    examples = FAMILY.examples(synthetic_data, fitted, config, NextItemSettings())
    rows = FAMILY.rows(synthetic_data, "test", fitted, config)
    model = lively_model(synthetic_data, fitted, config).train()
    batch = examples.collate(range(len(examples)))
    FAMILY.step(model, examples, fitted, NextItemSettings())(**batch)["loss"].backward()
    assert model.users.weight.grad.abs().sum(dim=1).nonzero()[:, 0].tolist() == batch["users"].tolist()
    features = rows.batch(np.arange(len(rows))).features
    for row, user in enumerate(features["users"].tolist()):
        trained = batch["items"][batch["users"].tolist().index(user)]
        trained = trained[trained > 0]
        assert features["history"][row][: len(trained)].tolist() == trained.tolist()
    with torch.no_grad():
        scores = model.eval()(features)
        assert not torch.equal(scores, model({**features, "users": features["users"].flip(0)}))


def test_a_model_with_users_refuses_histories_of_nobody_and_users_beyond_its_own(
    synthetic_data: Path, fitted: FittedSchema
) -> None:
    model = lively_model(synthetic_data, fitted, ShanConfig(dim=12, users=4))
    rows = histories(fitted.items, 3, 2)
    with pytest.raises(ShanError, match=r"reads user ids and cannot be served: train it without --users$"):
        model.encode(rows, model.catalogue())
    with pytest.raises(ShanError, match=r"^--users 4 is below the number of users: raise it$"):
        model.encode(rows, model.catalogue(), torch.tensor([3, 4]))
