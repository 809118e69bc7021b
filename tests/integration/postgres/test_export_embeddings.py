"""`export embeddings` writes into a real PostgreSQL as into a DuckDB file."""

from pathlib import Path

import numpy as np
import pytest

from export.commands.embeddings import export_embeddings
from export.data.golden import read_item_ids
from tests import two_tower
from tests.vectors import by_id
from warehouse.address import warehouse_address
from warehouse.errors import PartitionError
from warehouse.history import open_warehouse


def test_two_runs_stand_side_by_side(url: str, compiled_data: Path) -> None:
    folder = two_tower.repository(compiled_data, "onnx", "exact")
    for run in ("may", "june"):
        told = export_embeddings(folder, compiled_data, url, run=run)
    assert told["output"] == str(warehouse_address(url))
    items, expected = read_item_ids(compiled_data)[3:], np.load(folder / "item_vectors.npy")[3:]
    with open_warehouse(url) as warehouse:
        assert [(each.run, each.kind, each.vectors, whole) for each, whole in warehouse.partitions()] == [
            (run, kind, told[f"{kind}s"], True) for run in ("may", "june") for kind in ("item", "user")
        ]
        read = by_id(warehouse.read("item", "june"))
        assert [read[item].tobytes() for item in items] == [row.tobytes() for row in expected]
        assert len(warehouse.neighbours("item", items[0], 3)) == 3
        assert warehouse.drift("user", None, "may", "june").most[0].distance == pytest.approx(0, abs=1e-6)
        before = warehouse.partitions()
        with pytest.raises(PartitionError, match=r"run 'may' .* exists already"):
            export_embeddings(folder, compiled_data, url, run="may")
        assert warehouse.partitions() == before
