"""Vectors of all users or items of a repository from its exported encoders, batch by batch.

A user's vector is that of the latest request in any split. Ids are raw; the special ids of items are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, read_item_ids
from export.data.latest_requests import encoded_batches, latest_rows
from export.embeddings.vectors import ItemVectors, Vectors
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema

Kind = Literal["user", "item"]


@dataclass(frozen=True)
class Batch:
    """ids: B ids; vectors: [B, D] float32; repeats: `repeat_items` and `repeat_logits` [B, R], or empty."""

    ids: list[str]
    vectors: NDArray[np.float32]
    repeats: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Embeddings:
    """`count` ids, each with a vector of `width` floats; `batches` are computed on iteration, once.

    encoder: the model that makes the vectors; `digest`: its encoder digest. repeats: whether batches have repeats.
    """

    kind: Kind
    encoder: str
    digest: str
    count: int
    width: int
    batches: Iterator[Batch]
    repeats: bool = False


def user_embeddings(repository: Path, data: Path, vectors: Vectors, size: int) -> Embeddings:
    """Return the vectors of every user in the requests of `data`, encoded `size` at a time."""
    local, latest = LocalRepository(repository), latest_rows(data)
    outputs = local.config(vectors.encoder).outputs

    def batches() -> Iterator[Batch]:
        for users, tensors in encoded_batches(latest, vectors.features, size):
            answer = local.run_step(vectors.chain, vectors.encoder, tensors)
            yield Batch(users, answer.pop(vectors.tensor), answer)

    return Embeddings(
        kind="user",
        encoder=vectors.encoder,
        digest=encoder_digest(repository, vectors.encoder),
        count=sum(len(each.users) for each in latest),
        width=outputs[0].dims[0],
        batches=batches(),
        repeats=len(outputs) > 1,
    )


def item_embeddings(repository: Path, data: Path, fitted: FittedSchema, items: ItemVectors, size: int) -> Embeddings:
    """Return the vectors of every item that the repository serves, without computing any."""
    vectors = items.read(repository, fitted)[FIRST_KNOWN_ID:]
    ids = read_item_ids(data)[FIRST_KNOWN_ID:]
    parts = (slice(start, start + size) for start in range(0, len(ids), size))
    return Embeddings(
        kind="item",
        encoder=items.encoder,
        digest=encoder_digest(repository, items.encoder),
        count=len(ids),
        width=vectors.shape[1],
        batches=(Batch(ids[part], vectors[part]) for part in parts),
    )
