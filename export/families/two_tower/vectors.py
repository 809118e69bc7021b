"""Vectors of all items and users from the exported towers, and the inputs of the towers."""

from __future__ import annotations

from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.data.latest_requests import encoded_batches, encoded_tensors, latest_rows
from export.data.saved_workflow import SavedWorkflow
from export.errors import EXPORT_AGAIN, RepositoryError
from export.families.two_tower.plan import ITEM_TOWER, RETRIEVE, USER_TOWER, USER_VECTOR
from export.parity.local import LocalRepository
from export.triton.tensors import ENCODED, encoded_tensor
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, Schema
from stage.library_errors import Becomes, first_line, map_errors
from stage.parquet import FIT_AGAIN, read_columns

Vectors = NDArray[np.float32]

ITEM_VECTORS = "item_vectors.npy"
_BATCH = 1024


def fitted_items(schema: Schema, data: Path) -> Arrays:
    """Return the inputs of `item_tower` for every id, [I, ...], from the fit's item index, as in training."""
    features = schema.item_features
    # Without features there is still one row per item.
    table = read_columns(data / "item_index.parquet", [*(feature.name for feature in features), "item_id"])
    ids = np.arange(table.num_rows, dtype=np.int64)[:, None]
    return {schema.item_id.name + ENCODED: ids, **encoded_tensors(features, table)}


def current_items(fitted: FittedSchema, data: Path) -> Arrays:
    """Return the same from the current item table, `items.parquet`, encoded by the item workflow of the fit.

    Special ids, and items that the table no longer has, keep their values of the fit.
    """
    schema = fitted.schema_
    features = schema.item_features
    tensors = fitted_items(schema, data)
    names = [feature.name for feature in features]
    table = read_columns(data / "items.parquet", ["encoded_id", "item_id", *names]).to_pandas()
    known = table[table["encoded_id"] >= FIRST_KNOWN_ID].reset_index(drop=True)
    ids = known["encoded_id"].to_numpy()
    if len(np.unique(ids)) < len(ids) or (len(ids) and ids.max() >= fitted.items):
        raise RepositoryError(f"{data / 'items.parquet'}: its encoded_id differ from those of the fit: {FIT_AGAIN}")
    for feature in features:
        if (widths := _wrong_widths(known[feature.name], getattr(feature, "dim", 0))) is not None:
            raise RepositoryError(
                f"{data / 'items.parquet'}: {feature.name} has a vector of {widths} numbers, "
                f"the schema says {getattr(feature, 'dim', 0)}: correct the item table"
            )
    if not names:
        return tensors
    encoded = SavedWorkflow(data / "item_workflow").transform(features, known)
    for feature in features:
        tensor, values = tensors[feature.name + ENCODED], encoded[feature.name]
        unusable = next((row for row, value in enumerate(values) if not np.isfinite(value).all()), None)
        if unusable is not None:
            raw = known[feature.name][unusable]
            seen = f" (the table has {raw:g})" if isinstance(raw, Real) else ""
            raise RepositoryError(
                f"{data / 'items.parquet'}: {feature.name} of item {known['item_id'][unusable]!r} is not a "
                f"finite number as the tower reads it{seen}: correct the item table"
            )
        if encoded_tensor(feature).dims == (1,):
            tensor[ids, 0] = values.to_numpy()
            continue
        for id_, value in zip(ids.tolist(), values, strict=True):
            tensor[id_] = 0
            tensor[id_, : len(value)] = value
    return tensors


def _wrong_widths(column: object, dim: int) -> int | None:
    """Return the length of the first vector that is not `dim` long; None if there is no such vector."""
    if not dim:
        return None
    lengths = (len(value) for value in column if isinstance(value, np.ndarray | list))  # type: ignore[attr-defined]
    return next((length for length in lengths if length != dim), None)


def read_item_vectors(folder: Path, items: int, dim: int) -> Vectors:
    """Return the served vectors of all ids of a repository, [I, D]; they are read from disk on use."""
    path = folder / ITEM_VECTORS

    def unreadable(error: Exception) -> RepositoryError:
        return RepositoryError(f"{path}: cannot be read ({first_line(error)}): {EXPORT_AGAIN}")

    with map_errors(Becomes((OSError, ValueError, EOFError), unreadable)):
        vectors: Vectors = np.load(path, mmap_mode="r")
    if vectors.shape != (items, dim):
        raise RepositoryError(f"{path}: has vectors {list(vectors.shape)}, expected {[items, dim]}: {EXPORT_AGAIN}")
    return vectors


def write_item_vectors(folder: Path, vectors: Vectors) -> None:
    """Write the vectors of all ids [I, D] to a new file of a repository; an old one may be linked from elsewhere."""
    (folder / ITEM_VECTORS).unlink(missing_ok=True)
    np.save(folder / ITEM_VECTORS, vectors)


def item_vectors(local: LocalRepository, items: Arrays) -> Vectors:
    """Return the exported tower's vectors for the result of `fitted_items` or `current_items`, [I, D]."""
    config = local.config(ITEM_TOWER)
    # TorchScript's names end with their position, which is the order of the features.
    named = {tensor.name: values for tensor, values in zip(config.inputs, items.values(), strict=True)}
    count = len(next(iter(named.values())))
    parts = [
        local.run(ITEM_TOWER, {name: values[start : start + _BATCH] for name, values in named.items()})
        for start in range(0, count, _BATCH)
    ]
    return np.concatenate([part[config.outputs[0].name] for part in parts])


def user_vectors(local: LocalRepository, schema: Schema, data: Path) -> tuple[list[str], Vectors]:
    """Return every user of the data, and the exported tower's vectors of their latest requests, [U, D]."""
    users: list[str] = []
    parts: list[Vectors] = []
    for names, tensors in encoded_batches(latest_rows(data), schema.request_features, _BATCH):
        users += names
        parts.append(local.run_step(RETRIEVE, USER_TOWER, tensors)[USER_VECTOR])
    return users, np.concatenate(parts)
