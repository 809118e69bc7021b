"""The `sine` model: the paper's formulas, the same at every position, and the penalty on its prototypes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from preprocessing.schema import FittedSchema, read_fitted
from tests.lively import lively_model
from tests.next_item_models import Array, histories, prefixes, softmax, weights
from training.families.sine import FAMILY
from training.families.sine.config import SineConfig, SineSettings
from training.families.sine.model import Sine, SineError

LENGTHS = (9, 1, 2, 3, 8)
CONFIGS = [
    SineConfig(dim=12, prototypes=20, interests=3, max_length=9),
    SineConfig(dim=12, prototypes=20, interests=3, max_length=9, recency=False),
    SineConfig(dim=12, prototypes=1, interests=1, max_length=9, temperature=1.0),
]


def slow(model: Sine, history: list[int]) -> Array:
    """The formulas of the paper, item by item and concept by concept, in float64."""
    held, table = weights(model), model.catalogue().detach().double().numpy()
    items, length = [table[item] for item in history], len(history)
    recency = held.get("recency", np.zeros((2 + model.interests, length)))[:, :length][:, ::-1]

    def norm(name: str, x: Array) -> Array:
        scaled = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        return scaled * held[f"{name}_norm.weight"] + held[f"{name}_norm.bias"]

    pooling = [held["activation.2.weight"][0] @ np.tanh(held["activation.0.weight"] @ x) for x in items]
    pooled = softmax(pooling + recency[0]) @ np.array(items)
    activity = held["prototypes"] @ pooled
    active = np.argsort(-activity)[: model.interests]
    concepts = [held["prototypes"][each] / (1 + np.exp(-activity[each])) for each in active]
    assigned = [norm("item", held["assigned.weight"] @ x) for x in items]
    of_item = [softmax([each @ norm("concept", concept) for concept in concepts]) for each in assigned]
    heads = held["weighting.weight"].reshape(model.interests, -1, len(pooled))
    interests = []
    for number, (head, out) in enumerate(zip(heads, held["weighting_out"], strict=True)):
        shares = softmax([out @ np.tanh(head @ x) for x in items] + recency[2 + number])
        interests.append(
            norm("interest", sum((p[number] * share * x for p, share, x in zip(of_item, shares, items, strict=True))))  # type: ignore[arg-type]
        )
    mixed = [sum(p * concept for p, concept in zip(each, concepts, strict=True)) for each in of_item]
    coming = [held["intention_out"] @ np.tanh(held["intention.weight"] @ each) for each in mixed]
    intention = norm("next", softmax(coming + recency[1]) @ np.array(mixed))
    return softmax([intention @ each / model.temperature for each in interests]) @ np.array(interests)


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.mark.parametrize("config", CONFIGS, ids=["published and age", "published", "one concept"])
def test_a_history_has_the_vector_of_the_paper_and_every_position_that_of_its_prefix(
    config: SineConfig, synthetic_data: Path, fitted: FittedSchema
) -> None:
    model = lively_model(synthetic_data, fitted, config)
    rows = histories(fitted.items, *LENGTHS)
    with torch.no_grad():
        table = model.catalogue()
        encoded = model.encode(rows, table)
        pairs, targets = model.training_pairs(rows, table)
    np.testing.assert_allclose(encoded.numpy(), [slow(model, row[row > 0].tolist()) for row in rows], atol=1e-4)
    assert targets.tolist() == rows[:, 1:][rows[:, 1:] > 0].tolist()
    with torch.no_grad():
        torch.testing.assert_close(
            pairs, torch.cat([model.encode(row, table) for row in prefixes(rows)]), atol=1e-5, rtol=1e-5
        )


def test_training_computes_the_same_vectors_and_gradients_without_keeping_the_largest_tensor(
    synthetic_data: Path, fitted: FittedSchema
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIGS[0].model_copy(update={"dropout": 0.0})).double()
    rows, found = histories(fitted.items, *LENGTHS), []
    for mode in (model.train(), model.eval()):
        model.zero_grad()
        vectors, _ = mode.training_pairs(rows, model.catalogue())
        vectors.square().sum().backward()
        found.append([vectors.detach(), *(value.grad.clone() for value in model.parameters())])
    for trained, kept in zip(*found, strict=True):
        torch.testing.assert_close(trained, kept)


def test_padding_changes_nothing_and_a_row_without_items_is_finite(synthetic_data: Path, fitted: FittedSchema) -> None:
    model = lively_model(synthetic_data, fitted, CONFIGS[0])
    rows = histories(fitted.items, 6, 2, 4)
    wider = torch.nn.functional.pad(rows, (0, 3))
    with torch.no_grad():
        table = model.catalogue()
        torch.testing.assert_close(model.encode(wider, table), model.encode(rows, table))
        torch.testing.assert_close(model.training_pairs(wider, table), model.training_pairs(rows, table))
        assert model.encode(torch.zeros_like(rows), table).isfinite().all()


def test_some_positions_are_distinct_ones_of_all_and_a_short_sequence_gives_all_it_has(
    synthetic_data: Path, fitted: FittedSchema
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIGS[0])
    rows = histories(fitted.items, *LENGTHS)
    with torch.no_grad():
        table = model.catalogue()
        every = {tuple(v.tolist()): int(y) for v, y in zip(*model.training_pairs(rows, table), strict=True)}
        model.positions = 4
        vectors, targets = model.training_pairs(rows, table)
    nearest = torch.cdist(vectors, torch.tensor(list(every))).min(dim=1)
    assert nearest.values.max() < 1e-5
    assert [list(every.values())[place] for place in nearest.indices] == targets.tolist()
    assert len(set(nearest.indices.tolist())) == len(targets) == sum(min(length - 1, 4) for length in LENGTHS)


def test_the_step_adds_the_covariance_of_the_prototypes_and_every_weight_has_a_gradient(
    synthetic_data: Path, fitted: FittedSchema
) -> None:
    model, rows = lively_model(synthetic_data, fitted, CONFIGS[0]), histories(fitted.items, *LENGTHS)
    examples = FAMILY.examples(synthetic_data, fitted, CONFIGS[0], SineSettings())
    losses = [
        FAMILY.step(model, examples, fitted, SineSettings(covariance=weight))(rows)["loss"] for weight in (0.0, 0.5)
    ]
    pool = weights(model)["prototypes"]
    centred = pool - pool.mean(axis=1, keepdims=True)
    pairs = [(a @ b / 12) ** 2 for row, a in enumerate(centred) for b in centred[:row]]
    assert (losses[1] - losses[0]).item() == pytest.approx(0.5 * sum(pairs), rel=1e-4)
    losses[1].backward()
    assert all(value.grad.isfinite().all() and value.grad.any() for value in model.parameters())


def test_more_interests_than_prototypes_are_refused(fitted: FittedSchema) -> None:
    with pytest.raises(SineError, match=r"^--interests 4 is above --prototypes 3: change one of them$"):
        Sine(fitted, SineConfig(prototypes=3))
