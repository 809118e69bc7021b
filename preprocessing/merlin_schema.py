"""The encoded columns of requests as Merlin's `schema.pbtxt`, for tools that read it, such as Transformers4Rec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preprocessing.schema import Feature, FittedSchema


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
    layout, dims, properties = feature.encoded, None, {}
    if layout.form == "list":
        dims = ((0, None), (0, layout.length))
    elif layout.form == "vector":
        dims = ((0, None), (layout.length, layout.length))
    match feature.ids:
        case None:
            tags = [Tags.CONTINUOUS if layout.form == "scalar" else Tags.EMBEDDING]
        case "items":
            tags = [Tags.CATEGORICAL, Tags.SEQUENCE, Tags.ITEM_ID, Tags.LIST]
            properties = _domain(fitted.items, fitted.schema_.item_id.name)
            properties["embedding_sizes"] = {"cardinality": float(fitted.items)}
        case _:
            tags = [Tags.CATEGORICAL]
            properties = _domain(fitted.cardinality(feature.name), feature.name)
    return ColumnSchema(feature.name, tags=[side, *tags], dtype=layout.dtype, properties=properties, dims=dims)


def _domain(count: int, name: str) -> dict[str, Any]:
    return {"domain": {"min": 0, "max": count - 1, "name": name}}
