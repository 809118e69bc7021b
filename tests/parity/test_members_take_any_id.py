"""An id out of range, sent directly to a member, means unknown and does not affect other rows."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.data.golden import Arrays, recorded_rows, request_tensors
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER
from export.families.two_tower.plan import EXCLUDE_ITEMS, ITEM_INDEX, ITEM_TOWER, USER_TOWER
from export.families.two_tower.vectors import fitted_items
from export.graphs.known_ids import CHECK, id_counts
from export.parity.local import LocalRepository
from preprocessing.schema import UNKNOWN_ID, read_fitted
from tests import two_stages, two_tower

CHAINS = {
    "offline_encoder": "recommend",
    "online_ranker": "recommend",
    "decode": "recommend",
    USER_TOWER: "retrieve",
    EXCLUDE_ITEMS: "retrieve",
    ITEM_INDEX: "retrieve",
    CANDIDATE_RANKER: "retrieve_and_rank",
}
ROWS = 3
FAR = [-1, -(2**63), 2**63 - 1]
"""Ids of none; the first one above the last is a tensor's own."""
OF_ITEMS = ("repeat_items", "candidates", "item_ids", "exclude.encoded")


def known_inputs(local: LocalRepository, data: Path, member: str) -> Arrays:
    """What `member` takes of recorded rows, [B, ...], by its own names."""
    fitted = read_fitted(data)
    if member == ITEM_TOWER:
        values = [each[3 : 3 + ROWS] for each in fitted_items(fitted.schema_, data).values()]
        return {tensor.name: each for tensor, each in zip(local.config(member).inputs, values, strict=True)}
    features = fitted.schema_.request_features
    tensors = request_tensors(features, recorded_rows(data, features, ROWS))
    tensors["exclude"] = np.full((ROWS, 1), b"", dtype=np.object_)
    for step in local.config(CHAINS[member]).steps:
        if step.model == member:
            return {inside: tensors[name] for inside, name in step.inputs.items()}
        tensors |= local.run_step(CHAINS[member], step.model, tensors)
    raise AssertionError(member)


def names_outside(local: LocalRepository, member: str) -> dict[str, str]:
    """Tensor names as all formats know them, by the member's own."""
    return {tensor.name: tensor.name.split("__")[0] for tensor in local.config(member).inputs}


@pytest.mark.parametrize(("format", "index"), two_tower.EXPORTS)
@pytest.mark.parametrize("member", [*CHAINS, ITEM_TOWER])
def test_ids_out_of_range_are_unknown_and_no_row_notices_another(
    compiled_data: Path, member: str, format: str, index: str
) -> None:
    local = LocalRepository(two_stages.repository(compiled_data, format, index), threads=1)
    counts, names = id_counts(read_fitted(compiled_data), *OF_ITEMS), names_outside(local, member)
    known = known_inputs(local, compiled_data, member)
    before = local.run(member, known)
    ids = [name for name, values in known.items() if values.dtype == np.int64]
    assert ids
    for name in ids:
        for far in (*FAR, counts[names[name]]):
            sent, meant = ({key: values.copy() for key, values in known.items()} for _ in range(2))
            sent[name][1, 0], meant[name][1, 0] = far, UNKNOWN_ID
            found, expected = local.run(member, sent), local.run(member, meant)
            for key, values in found.items():
                np.testing.assert_array_equal(values[[0, 2]], before[key][[0, 2]])
                if member != EXCLUDE_ITEMS:
                    np.testing.assert_array_equal(values[1], expected[key][1])


@pytest.mark.parametrize("chain", ["recommend_fused", "retrieve_fused", "retrieve_and_rank_fused"])
def test_a_fused_graph_checks_no_ids_for_all_come_out_of_its_vocabularies(compiled_data: Path, chain: str) -> None:
    repository = two_stages.repository(compiled_data, *two_tower.EXPORTS[0])
    checks = {
        model: sum(CHECK in node.name for node in onnx.load(repository / model / "1" / "model.onnx").graph.node)
        for model in (chain, "decode", "offline_encoder")
    }
    assert checks[chain] == 0
    assert checks["decode"] == 3
    assert checks["offline_encoder"] > 3
