"""`export items` of two stages: other candidates, the same ranker, which is held to torch's ranks still."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from export.commands.items import refresh
from export.data.golden import Arrays
from export.errors import ParityError, RepositoryError
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER, RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED
from export.families.two_tower.plan import ITEM_TOWER
from export.parity.answers import golden_file, read_reference
from tests import exported
from tests.hops import change_largest, check_hop
from tests.output_folders import is_wholly_listed
from tests.two_stages import repository, whole

TOLERANCE = 1e-4
GOLDEN = golden_file("retrieve_and_rank")


def ranks_of(folder: Path) -> Any:
    """What verify.json says of the ranks that a refresh could hold to torch."""
    return json.loads((folder / "verify.json").read_text())["families"]["retrieve_and_rank"]["about"]["ranks"]


def dearer(data: Path, folder: Path) -> Path:
    """A copy of the data in which every second item costs more."""
    shutil.copytree(data, folder)
    table = pd.read_parquet(folder / "items.parquet")
    table["price"] = table["price"].fillna(1.0) * np.where(np.arange(len(table)) % 2, 90.0, 1.0)
    table.to_parquet(folder / "items.parquet", index=False)
    return folder


def golden_answers(folder: Path) -> Arrays:
    return read_reference(folder / GOLDEN).answers


def test_refreshed_vectors_give_the_ranker_other_candidates_and_leave_the_ranker_alone(
    compiled_data: Path, tmp_path: Path
) -> None:
    original = repository(compiled_data, "onnx", "exact")
    folder, data = shutil.copytree(original, tmp_path / "repository"), dearer(compiled_data, tmp_path / "data")
    before = golden_answers(folder)
    ranker = (folder / CANDIDATE_RANKER / "1" / "model.onnx").read_bytes()
    result = refresh(folder, data)
    assert result["families"]["two_tower"]["plan"]["refreshed"]
    after = golden_answers(folder)
    assert (after["candidates"] != before["candidates"]).any()
    assert (folder / CANDIDATE_RANKER / "1" / "model.onnx").read_bytes() == ranker
    assert golden_answers(original).keys() == before.keys(), "the copy was written in place"
    ranks = ranks_of(folder)
    assert ranks["all"] == after["item_ids"].size
    assert ranks["all"] / 4 < ranks["held_to_torch"] < ranks["all"]
    # Opened again, with the data of the refresh: what `export verify` checks.
    for hop in (ITEM_TOWER, CANDIDATE_RANKER, RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED):
        assert check_hop(folder, data, hop) < TOLERANCE
    assert is_wholly_listed(folder)
    # The golden answers are the exported ranker's own by now: torch's ranks of the whole catalogue are not.
    change_largest(folder / CANDIDATE_RANKER / "1" / "model.onnx", by=0.1)
    with pytest.raises(ParityError, match=r"^candidate_ranker: score differs from the trained model by"):
        check_hop(folder, data, CANDIDATE_RANKER)


def test_a_ranker_that_is_changed_is_found_by_a_refresh_which_leaves_the_repository_as_it_was(
    compiled_data: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(whole(compiled_data, "onnx"), tmp_path / "repository")
    change_largest(folder / CANDIDATE_RANKER / "1" / "model.onnx", by=0.1)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ParityError, match=r"^candidate_ranker: score differs from the trained model by"):
        refresh(folder, compiled_data)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_repository_without_an_index_cannot_be_refreshed(compiled_data: Path) -> None:
    with pytest.raises(RepositoryError, match="has no item index: export it with a model that retrieves"):
        refresh(exported.repository(compiled_data, "onnx"), compiled_data)
