"""The encoded columns of requests as Merlin's `schema.pbtxt`, for tools that read it, such as Transformers4Rec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preprocessing.schema import Categorical, Feature, FittedSchema, Numeric, Pretrained, Sequence, Text


def write_merlin_schema(fitted: FittedSchema, path: Path) -> None:
    """Write `fitted` as tensorflow-metadata text: dtypes, tags of side and kind, id domains, list lengths."""
    from merlin.schema import Schema as MerlinSchema
    from merlin.schema.io.tensorflow_metadata import TensorflowMetadata

    columns = [_column(fitted, feature) for feature in fitted.schema_.request_features]
    metadata = TensorflowMetadata.from_merlin_schema(MerlinSchema(columns))
    for column in metadata.proto_schema.feature:
        # Merlin keeps tags in a set; sorted, the same fit writes the same text.
        column.annotation.tag = sorted(column.annotation.tag)
    path.write_text(metadata.to_proto_text(), encoding="utf-8")


def _column(fitted: FittedSchema, feature: Feature) -> Any:
    from merlin.schema import ColumnSchema, Tags

    side = {"user": Tags.USER, "context": Tags.CONTEXT, "item": Tags.ITEM}[feature.side]
    match feature:
        case Sequence():
            domain = {"min": 0, "max": fitted.items - 1, "name": fitted.schema_.item_id.name}
            return ColumnSchema(
                feature.name,
                tags=[side, Tags.CATEGORICAL, Tags.SEQUENCE, Tags.ITEM_ID, Tags.LIST],
                dtype="int64",
                properties={"domain": domain, "embedding_sizes": {"cardinality": float(fitted.items)}},
                dims=((0, None), (0, feature.max_length)),
            )
        case Pretrained():
            dims = ((0, None), (feature.dim, feature.dim))
            return ColumnSchema(feature.name, tags=[side, Tags.EMBEDDING], dtype="float32", dims=dims)
        case Numeric() if not feature.buckets:
            return ColumnSchema(feature.name, tags=[side, Tags.CONTINUOUS], dtype="float32")
        case Categorical() | Text() | Numeric():
            cardinality = fitted.cardinality(feature.name)
            properties = {"domain": {"min": 0, "max": cardinality - 1, "name": feature.name}}
            lengths = ((0, None), (0, feature.max_length)) if isinstance(feature, Text) else None
            return ColumnSchema(
                feature.name, tags=[side, Tags.CATEGORICAL], dtype="int64", properties=properties, dims=lengths
            )
