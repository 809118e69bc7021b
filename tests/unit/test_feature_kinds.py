"""A kind of feature is one class: all other code calls it and does not check kinds."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import Field

from export.data.golden import Arrays, arrow_schema, golden_rows, request_tensors
from export.data.latest_requests import encoded_tensors
from export.data.saved_workflow import SavedWorkflow
from export.graphs.workflow import compile_workflow, request_columns
from export.triton.tensors import ENCODED, Tensor, encoded_tensor, request_tensor
from preprocessing.declared import Schema, parse_schema
from preprocessing.features import FeatureBase
from preprocessing.features.feature import Edges
from preprocessing.fit import fit
from preprocessing.schema import Feature, FittedSchema, Layout, Sequence, read_fitted
from training.examples.moments import SplitData
from training.layers.features import ScalarFeatures
from training.layers.items import ItemEmbedding

ROOT = Path(__file__).parents[2]


class Count(FeatureBase):
    """A whole number of the request as its logarithm: no kind that ships takes integers for numbers."""

    kind: Literal["count"]

    @property
    def request(self) -> Layout:
        return Layout("scalar", "int64")

    @property
    def encoded(self) -> Layout:
        return Layout("scalar", "float32")

    @property
    def edges(self) -> Edges:
        return Edges(null=0, unknown=1_000, extreme=2**53)

    @property
    def parameters(self) -> dict[str, str]:
        return {"kind": "numeric"}

    def operators(self, _items: Any, _folder: Path, /) -> Any:
        from nvtabular import ops

        return [self.name] >> ops.Clip(min_value=0) >> ops.LogOp()

    def workflow_values(self, column: Any) -> Any:
        return column.to_numpy(dtype=np.int64)


FEATURES = [
    {"name": "item_id", "column": "item", "kind": "categorical", "side": "item", "embedding_dim": 4},
    {"name": "weight", "kind": "count", "side": "item"},
    {"name": "recent", "kind": "sequence", "side": "user", "max_length": 3},
    {"name": "visits", "kind": "count", "side": "user"},
    {"name": "pieces", "kind": "count", "side": "context", "stage": "online"},
]


@pytest.fixture
def with_count(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The schema's models with `Count` among the kinds."""
    kinds = Annotated[Union[Feature, Count], Field(discriminator="kind")]  # noqa: UP007
    with monkeypatch.context() as patched:
        patched.setattr(Schema.model_fields["features"], "annotation", tuple[kinds, ...])
        for model in (Schema, FittedSchema):
            model.model_rebuild(force=True)
        yield
    for model in (Schema, FittedSchema):
        model.model_rebuild(force=True)


def small_log(folder: Path) -> Path:
    rows = pd.DataFrame({"user": np.repeat(["a", "b", "c"], 4), "item": list("xyzxyzxyzzyx"), "time": np.arange(12)})
    rows["weight"] = rows["item"].map({"x": 5, "y": 70, "z": 0})
    rows["visits"] = rows["user"].map({"a": 1, "b": 2, "c": 300})
    rows.assign(pieces=range(12)).to_parquet(folder / "log.parquet", index=False)
    return folder / "log.parquet"


def interpreted(features: tuple[Feature, ...], data: Path, asked: Arrays) -> Arrays:
    """What the model `preprocess_nvtabular` answers."""
    from export.parity.python_models import open_python
    from export.triton.config import ModelConfig

    parameters = {f"{key}.{each.name}": value for each in features for key, value in each.parameters.items()}
    inputs, outputs = (tuple(map(tensor, features)) for tensor in (request_tensor, encoded_tensor))
    config = ModelConfig("preprocess_nvtabular", "python", 64, inputs, outputs, parameters)
    file = shutil.copy(ROOT / "model_repository" / config.name / "1" / "model.py", data)
    return open_python(Path(file), config, lambda _, arrays: arrays)(asked)


@pytest.mark.usefixtures("with_count")
def test_a_new_kind_is_one_class_from_the_log_to_the_served_graph(tmp_path: Path) -> None:
    log = {"columns": {"user": "user", "item": "item", "time": "time"}, "time_unit": "order"}
    split = {"kind": "leave_one_out"}
    schema = parse_schema({"name": "counts", "log": log, "split": split, "features": FEATURES}, "counts")
    data = tmp_path / "data"
    fit(schema, small_log(tmp_path), data)
    fitted = read_fitted(data)
    assert [type(each) for each in fitted.schema_.features].count(Count) == 3
    features = fitted.schema_.request_features

    rows = golden_rows(data, fitted)
    asked, encoded = request_tensors(features, rows), SavedWorkflow.of_requests(data).encode(features, rows)
    wanted = np.log1p(np.array([[row["pieces"]] for row in rows], dtype=np.float32))
    np.testing.assert_allclose(encoded["pieces" + ENCODED], wanted, rtol=1e-6)
    assert pa.Table.from_pylist(rows, schema=arrow_schema(features)).schema.field("pieces").type == pa.int64()

    compile_workflow(SavedWorkflow.of_requests(data), request_columns(features), tmp_path / "workflow.onnx")
    served = onnxruntime.InferenceSession(tmp_path / "workflow.onnx").run(["pieces" + ENCODED], asked)[0]
    np.testing.assert_allclose(served, encoded["pieces" + ENCODED], rtol=1e-6)

    np.testing.assert_array_equal(interpreted(features, data, asked)["pieces" + ENCODED], encoded["pieces" + ENCODED])

    batch = SplitData(data, "train", fitted).batch(np.arange(2))
    (vector,) = ScalarFeatures(fitted.schema_.stage("online"), fitted, 0.0)(batch.features)
    assert (vector.shape, vector.dtype) == ((2, 1), torch.float32)
    items = ItemEmbedding(fitted, 4)
    items.load_index(data / "item_index.parquet")
    special, known = items.index_weight[:3], items.index_weight[3:].sort().values
    assert special.tolist() == [0, 0, 0]
    torch.testing.assert_close(known, torch.tensor([0, 5, 70]).log1p())


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.mark.parametrize(
    ("name", "sent", "made"),
    [
        ("city", ("string", (1,), None, "string"), ("int64", (1,), None, "int64")),
        ("tier", ("int64", (1,), None, "int64"), ("int64", (1,), None, "int64")),
        ("age", ("float32", (1,), None, "double"), ("float32", (1,), None, "float")),
        ("screen", ("float32", (1,), None, "double"), ("int64", (1,), None, "int64")),
        ("recent", ("string", (-1,), 8, "list<item: string>"), ("int64", (-1,), 8, "list<item: int64>")),
        ("bio", ("string", (1,), None, "string"), ("int64", (6,), None, "list<item: int64>")),
        ("taste", ("float32", (4,), None, "list<item: float>"), ("float32", (4,), None, "list<item: float>")),
    ],
)
def test_every_kind_has_its_tensors_and_columns(
    fitted: FittedSchema, name: str, sent: tuple[Any, ...], made: tuple[Any, ...]
) -> None:
    """Dtype, dims, longest and the type in Parquet, of what a client sends and of what the workflow makes of it."""
    feature = next(each for each in fitted.schema_.features if each.name == name)
    request, encoded = request_tensor(feature), encoded_tensor(feature)
    assert (request.dtype, request.dims, request.longest, str(feature.arrow())) == sent
    assert (encoded.dtype, encoded.dims, encoded.longest, str(feature.encoded.arrow())) == made


def test_a_sequence_of_one_item_has_a_known_width() -> None:
    feature = Sequence(name="last", kind="sequence", side="user", max_length=1)
    assert (encoded_tensor(feature).dims, request_tensor(feature).dims) == ((1,), (-1,))


def holds(tensor: Tensor, values: Any) -> bool:
    """Whether values [N, ...] are of the tensor's dtype and shape."""
    dtype = "object" if tensor.dtype == "string" else tensor.dtype
    fits = [size == dim or dim == -1 for size, dim in zip(values.shape[1:], tensor.dims, strict=True)]
    return str(values.dtype) == dtype and all(fits)


def test_every_kind_is_sent_encoded_and_kept_as_it_says(synthetic_data: Path, fitted: FittedSchema) -> None:
    features = fitted.schema_.request_features
    rows = golden_rows(synthetic_data, fitted)
    asked, encoded = request_tensors(features, rows), SavedWorkflow.of_requests(synthetic_data).encode(features, rows)
    week = next((synthetic_data / "train").glob("week=*/*.parquet"))
    table, raw = pq.read_table(week), pq.read_table(synthetic_data / "requests" / week.relative_to(synthetic_data))
    kept = encoded_tensors(features, table)
    for feature in features:
        assert holds(request_tensor(feature), asked[feature.name]), feature.name
        assert holds(encoded_tensor(feature), encoded[feature.name + ENCODED]), feature.name
        assert holds(encoded_tensor(feature), kept[feature.name + ENCODED]), feature.name
        assert table.schema.field(feature.name).type == feature.encoded.arrow(), feature.name
        assert raw.schema.field(feature.name).type == feature.arrow(), feature.name


def test_ids_have_an_embedding_and_a_number_none(fitted: FittedSchema) -> None:
    for feature in fitted.schema_.features:
        assert (feature.ids is not None) == (feature.encoded.dtype == "int64"), feature.name
        assert (feature.embedding is not None) == (feature.ids in ("vocabulary", "buckets")), feature.name
        assert feature.ids is None or fitted.cardinality(feature.name) > 2, feature.name
