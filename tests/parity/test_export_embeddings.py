"""`export embeddings` to a file: one row a user, of the latest request, equal to torch; or one an item."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from export.commands.embeddings import export_embeddings
from export.data.golden import read_item_ids
from export.data.saved_workflow import SavedWorkflow
from export.embeddings.batches import Kind
from export.families.offline_online.plan import RankingPlan
from export.families.offline_online.reference import whole_answers
from export.repository.encoder_digest import encoder_digest
from preprocessing.schema import SchemaError, read_fitted
from stage.output import OutputError
from tests import two_tower
from tests.exported import CONFIG, checkpoint, repository
from tests.latest import latest_requests
from training.checkpoint import load
from training.families.offline_online.model import OfflineOnline


@pytest.fixture(scope="module")
def written(synthetic_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embeddings") / "users.parquet"
    result = export_embeddings(repository(synthetic_data, "onnx"), synthetic_data, path, batch_size=7)
    assert result["users"] == pq.read_metadata(path).num_rows
    assert result["per_second"] > 0
    return path


def test_every_user_has_the_embedding_that_torch_gives_the_latest_request(synthetic_data: Path, written: Path) -> None:
    fitted = read_fitted(synthetic_data)
    latest = latest_requests(synthetic_data)
    table = pq.read_table(written).to_pandas().set_index("user").loc[list(latest)]
    encoded = SavedWorkflow.of_requests(synthetic_data).encode(fitted.schema_.request_features, list(latest.values()))
    plan = RankingPlan(fitted.schema_, CONFIG.dim)
    with torch.no_grad():
        expected = whole_answers(load(checkpoint(synthetic_data), OfflineOnline), plan, encoded)
    np.testing.assert_allclose(np.stack(table["embedding"]), expected["user_embedding"], atol=1e-4)
    for row, (items, logits) in enumerate(zip(table["repeat_items"], table["repeat_logits"], strict=True)):
        visible = expected["repeat_items"][row] != 0
        assert items.tolist() == expected["repeat_items"][row][visible].tolist()
        np.testing.assert_allclose(logits, expected["repeat_logits"][row][visible], atol=1e-4)


def test_the_file_names_its_schema_and_encoder_and_keeps_vectors_of_fixed_length(
    synthetic_data: Path, written: Path
) -> None:
    schema = pq.read_schema(written)
    assert schema.names == ["user", "embedding", "repeat_items", "repeat_logits"]
    assert schema.metadata[b"schema_digest"].decode() == read_fitted(synthetic_data).digest
    digest = encoder_digest(repository(synthetic_data, "onnx"), "offline_encoder")
    assert schema.metadata[b"encoder_digest"].decode() == digest
    assert schema.field("embedding").type.list_size == CONFIG.dim


@pytest.mark.parametrize("kind", ["user", "item"])
def test_a_file_of_a_two_tower_repository_holds_one_kind(compiled_data: Path, tmp_path: Path, kind: Kind) -> None:
    folder, path = two_tower.repository(compiled_data, "onnx", "exact"), tmp_path / "new" / "vectors.parquet"
    result = export_embeddings(folder, compiled_data, path, kind=kind)
    table = pq.read_table(path)
    assert table.schema.names == [kind, "embedding"]
    assert result[f"{kind}s"] == table.num_rows > 0
    assert table.schema.metadata[b"encoder_digest"].decode() == encoder_digest(folder, f"{kind}_tower")
    if kind == "item":
        assert table["item"].to_pylist() == read_item_ids(compiled_data)[3:]
        expected = np.load(folder / "item_vectors.npy")[3:]
        assert np.stack(table["embedding"].to_numpy()).tobytes() == expected.tobytes()


def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    synthetic_data: Path, written: Path, tmp_path: Path
) -> None:
    folder = repository(synthetic_data, "onnx")
    before = written.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        export_embeddings(folder, synthetic_data, written)
    assert written.read_bytes() == before
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        export_embeddings(folder, synthetic_data, tmp_path / "folder.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        export_embeddings(folder, synthetic_data, tmp_path / "file" / "users.parquet")
    other = shutil.copytree(folder, tmp_path / "other")
    fitted = read_fitted(other).model_copy(update={"boundaries": {}}).sealed()
    (other / "schema.json").write_text(fitted.model_dump_json(by_alias=True))
    with pytest.raises(SchemaError, match="schema digest"):
        export_embeddings(other, synthetic_data, tmp_path / "users.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.parquet", "other"}
