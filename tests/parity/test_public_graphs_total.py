"""Public models answer any request, and each row like the row alone: no row can fail its batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from export.data.golden import Arrays, read_item_ids, recorded_rows, request_tensors
from export.parity.compare import compare_rankings
from export.parity.local import LocalRepository
from export.triton.tensors import Tensor
from preprocessing.schema import read_fitted
from tests import two_stages, two_tower

RANKINGS = ("recommend_fused", "retrieve_fused", "retrieve_and_rank_fused", "recommend", "retrieve_and_rank")
RELATIVE = 1e-5
"""Of a row's largest score: what else is in the batch changes the last bits."""
ODD_STRINGS = [
    b"",
    b" ",
    b"never seen",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "ítem 📦 0".encode(),
    b"'; --",
    b"x" * 5000,
    b"NaN",
]
INTS = [0, 1, -1, 2, 2**31, -(2**31), 2**63 - 1, -(2**63)]


def local_of(data: Path) -> LocalRepository:
    return LocalRepository(two_stages.repository(data, *two_tower.EXPORTS[0]), threads=1)


def values_of(tensor: Tensor, known: list[Any]) -> st.SearchStrategy[Any]:
    """What a client may send in one place of a tensor, recorded values among them."""
    match tensor.dtype:
        case "string":
            return st.sampled_from(known) | st.sampled_from(ODD_STRINGS) | st.binary(max_size=12)
        case "int64":
            return st.sampled_from(known) | st.sampled_from(INTS) | st.integers(-(2**63), 2**63 - 1)
        case _:
            return st.sampled_from(known) | st.floats(width=32)


@st.composite
def requests(draw: st.DrawFn, tensors: tuple[Tensor, ...], recorded: Arrays) -> Arrays:
    """A batch of 1 to 4 rows; sequences of no place, of a few, or of far more than any keeps."""
    rows = draw(st.integers(1, 4))
    batch: Arrays = {}
    for tensor in tensors:
        length = draw(st.sampled_from([0, 1, 2, 7, 40, 700])) if tensor.dims == (-1,) else tensor.dims[0]
        values = values_of(tensor, list(dict.fromkeys(recorded[tensor.name].ravel().tolist())))
        dtype = {"string": np.object_, "int64": np.int64, "float32": np.float32}[tensor.dtype]
        batch[tensor.name] = draw(of_numpy.arrays(dtype, (rows, length), elements=values, fill=values))
    return batch


def rankings(answers: list[Arrays], places: dict[str, int]) -> Arrays:
    """Ids by place and scores over the row's largest, [N, K]: a number far out makes scores as far out."""
    ids = np.array([[places[item] for item in row] for each in answers for row in each["item_id"].tolist()])
    score = np.concatenate([each["score"] for each in answers])
    largest = np.abs(np.where(np.isfinite(score), score, 0)).max(axis=1, keepdims=True)
    return {"item_ids": ids, "score": score / np.maximum(largest, 1)}


@pytest.mark.parametrize("model", RANKINGS)
def test_any_batch_is_answered_and_each_row_as_if_it_were_alone(compiled_data: Path, model: str) -> None:
    local, features = local_of(compiled_data), read_fitted(compiled_data).schema_.request_features
    item_ids = read_item_ids(compiled_data)
    places = {item: place for place, item in reversed(list(enumerate(item_ids)))}
    recorded = request_tensors(features, recorded_rows(compiled_data, features, 20))
    recorded["exclude"] = np.array([[item.encode() for item in item_ids]], dtype=np.object_)

    @settings(max_examples=40)
    @given(requests(local.config(model).inputs, recorded))
    def answers_each(batch: Arrays) -> None:
        rows = len(next(iter(batch.values())))
        together = rankings([local.run(model, batch)], places)
        alone = [
            local.run(model, {name: values[row : row + 1] for name, values in batch.items()}) for row in range(rows)
        ]
        expected = rankings(alone, places)
        assert not np.isnan(together["score"]).any()
        compare_rankings(model, expected, together["item_ids"], together["score"], RELATIVE)

    answers_each()


def test_any_pairs_are_matched_and_each_as_if_it_were_alone(compiled_data: Path) -> None:
    local = local_of(compiled_data)
    known = {"user_id": [b"us\xc3\xa9r-1"], "item_id": [each.encode() for each in read_item_ids(compiled_data)]}
    tensors = local.config("match").inputs
    strings = {name: np.array([values], dtype=np.object_) for name, values in known.items()}

    @settings(max_examples=40)
    @given(requests(tensors, strings))
    def answers_each(batch: Arrays) -> None:
        together = local.run("match", batch)["score"]
        assert np.isfinite(together).all()
        for row in range(len(together)):
            alone = local.run("match", {name: values[row : row + 1] for name, values in batch.items()})
            np.testing.assert_array_equal(together[row : row + 1], alone["score"])

    answers_each()
