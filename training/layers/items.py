"""The items: the index of their encoded features, and tables of vectors [I, D] for reading and scoring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from preprocessing.schema import Feature, FittedSchema
from stage.parquet import ParquetError, read_columns

if TYPE_CHECKING:
    import pyarrow as pa

INITIAL_STD = 0.05


class ItemIndex(nn.Module):
    """The encoded features of every item, from the fit, as buffers, so that a loaded part needs no data folder."""

    def __init__(self, fitted: FittedSchema) -> None:
        super().__init__()
        self.count = fitted.items
        self.item_id = fitted.schema_.item_id.name
        self.features = fitted.schema_.item_features
        for feature in self.features:
            shape, dtype = _index_shape(feature, self.count)
            self.register_buffer(f"index_{feature.name}", torch.zeros(shape, dtype=dtype))

    def load_index(self, path: Path) -> None:
        """Fill the buffers from the fit's `item_index.parquet`."""
        table = read_index(path, [feature.name for feature in self.features], self.count)
        for feature in self.features:
            buffer = self.get_buffer(f"index_{feature.name}")
            values = table[feature.name]
            if buffer.dim() == 2:
                rows = values.to_pylist()
                for row, ids in enumerate(rows):
                    buffer[row, : len(ids)] = torch.as_tensor(ids, dtype=buffer.dtype)
            else:
                buffer.copy_(torch.from_numpy(values.to_numpy().copy()))

    def rows(self, ids: Tensor) -> dict[str, Tensor]:
        """Return the id and the encoded features of the items `ids` [N] by name, each [N] or [N, W]."""
        return {self.item_id: ids} | {f.name: self.get_buffer(f"index_{f.name}")[ids] for f in self.features}


class ItemVectors(ItemIndex):
    """The sum of an item's id embedding and of one embedding per item feature, each D wide."""

    def __init__(self, fitted: FittedSchema, dim: int) -> None:
        super().__init__(fitted)
        self.dim = dim
        item_id = fitted.schema_.item_id
        self.id = nn.Embedding(fitted.items, item_id.embedding_dim)
        self.to_dim = nn.ModuleDict()
        if item_id.embedding_dim != dim:
            self.to_dim["id"] = nn.Linear(item_id.embedding_dim, dim, bias=False)
        self.embeddings = nn.ModuleDict()
        for feature in self.features:
            self._add(feature, fitted)
        for embedding in [self.id, *self.embeddings.values()]:
            if isinstance(embedding, nn.Embedding):
                nn.init.normal_(embedding.weight, std=INITIAL_STD)

    def _add(self, feature: Feature, fitted: FittedSchema) -> None:
        if feature.embedding:
            self.embeddings[feature.name] = nn.Embedding(fitted.cardinality(feature.name), feature.embedding)
        if feature.width != self.dim:
            self.to_dim[feature.name] = nn.Linear(feature.width, self.dim, bias=False)

    def share(self, embeddings: nn.ModuleDict) -> None:
        """Use the embeddings of the same features from `embeddings`, including the item id's, instead of its own."""
        self.id = cast(nn.Embedding, embeddings[self.item_id])
        for name in self.embeddings:
            self.embeddings[name] = embeddings[name]

    def table(self) -> Tensor:
        """Return the vectors of all items, [I, D]."""
        total = self._to_dim("id", self.id.weight)
        for feature in self.features:
            total = total + self._to_dim(feature.name, self._vectors(feature))
        return total

    def _vectors(self, feature: Feature) -> Tensor:
        index = self.get_buffer(f"index_{feature.name}")
        if feature.name not in self.embeddings:
            return index if index.dim() == 2 else index[:, None]
        vectors = cast(Tensor, self.embeddings[feature.name](index))
        if feature.encoded.form != "list":
            return vectors
        words = (index != 0).unsqueeze(-1).to(vectors.dtype)
        return (vectors * words).sum(1) / words.sum(1).clamp(min=1)

    def _to_dim(self, name: str, vectors: Tensor) -> Tensor:
        return cast(Tensor, self.to_dim[name](vectors)) if name in self.to_dim else vectors


class ItemEmbedding(ItemVectors):
    """Item vectors for scoring; `bias` [I] starts as the log of each item's share of the train purchases."""

    def __init__(self, fitted: FittedSchema, dim: int) -> None:
        super().__init__(fitted, dim)
        self.bias = nn.Parameter(torch.zeros(fitted.items))

    def load_index(self, path: Path) -> None:
        """Fill the buffers and the bias from the fit's `item_index.parquet`."""
        super().load_index(path)
        purchases = read_index(path, ["purchases"], self.count)["purchases"].to_numpy().astype(np.float64)
        share = np.maximum(purchases, 0.5) / purchases.sum()
        with torch.no_grad():
            self.bias.copy_(torch.from_numpy(np.log(share)))


def read_index(path: Path, columns: list[str], items: int) -> pa.Table:
    """Read columns of the fit's `item_index.parquet`; raise `ParquetError` unless it has one row for every id."""
    table = read_columns(path, ["item_id", *columns])
    if table.num_rows != items:
        raise ParquetError(f"{path}: has {table.num_rows} rows, the schema {items} ids: run the fit again")
    return table


def _index_shape(feature: Feature, items: int) -> tuple[tuple[int, ...], torch.dtype]:
    layout = feature.encoded
    dtype = torch.int64 if layout.dtype == "int64" else torch.float32
    return (items,) if layout.form == "scalar" else (items, layout.length), dtype
