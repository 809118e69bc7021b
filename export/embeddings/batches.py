"""Vectors of all users or items of a repository, as its exported encoders give them, a batch at a time.

    family            user                                           item
    offline_online    `user_embedding` of offline_encoder, repeats   none: items have no vector outside its ranker
    two_tower         `user_vector` of user_tower                    what `item_index` serves, made by item_tower

A user's vector is that of the latest request in any split. Ids are raw; the special ones of items are left out.
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
from export.families.offline_online.plan import ENCODER, RECOMMEND
from export.families.two_tower.plan import FAMILY, ITEM_TOWER, RETRIEVE, USER_TOWER, USER_VECTOR
from export.families.two_tower.vectors import read_item_vectors
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema

Kind = Literal["user", "item"]


@dataclass(frozen=True)
class Batch:
    """ids: B of them; vectors: [B, D] float32; repeats: `repeat_items` and `repeat_logits` [B, R], or nothing."""

    ids: list[str]
    vectors: NDArray[np.float32]
    repeats: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Embeddings:
    """`count` ids with a vector each, `width` floats; `batches` are computed as they are asked for, once.

    encoder: the model that makes the vectors, and `digest` its encoder digest. repeats: whether batches have them.
    """

    kind: Kind
    encoder: str
    digest: str
    count: int
    width: int
    batches: Iterator[Batch]
    repeats: bool = False


def user_embeddings(repository: Path, data: Path, fitted: FittedSchema, family: str, size: int) -> Embeddings:
    """Of every user in the requests of `data`, encoded `size` at a time."""
    local, schema = LocalRepository(repository), fitted.schema_
    latest = latest_rows(data)
    if family == FAMILY:
        encoder, chain, vector, features = USER_TOWER, RETRIEVE, USER_VECTOR, schema.request_features
    else:
        encoder, chain, vector, features = ENCODER, RECOMMEND, "user_embedding", schema.stage("offline")
    outputs = local.config(encoder).outputs

    def batches() -> Iterator[Batch]:
        for users, tensors in encoded_batches(latest, features, size):
            answer = local.run_step(chain, encoder, tensors)
            yield Batch(users, answer.pop(vector), answer)

    return Embeddings(
        kind="user",
        encoder=encoder,
        digest=encoder_digest(repository, encoder),
        count=sum(len(each.users) for each in latest),
        width=outputs[0].dims[0],
        batches=batches(),
        repeats=len(outputs) > 1,
    )


def item_embeddings(repository: Path, data: Path, fitted: FittedSchema, size: int) -> Embeddings:
    """Of every item of a `two_tower` repository: nothing is computed, these are the vectors that its index serves."""
    width = LocalRepository(repository).config(ITEM_TOWER).outputs[0].dims[0]
    vectors = read_item_vectors(repository, fitted.items, width)[FIRST_KNOWN_ID:]
    ids = read_item_ids(data)[FIRST_KNOWN_ID:]
    parts = (slice(start, start + size) for start in range(0, len(ids), size))
    return Embeddings(
        kind="item",
        encoder=ITEM_TOWER,
        digest=encoder_digest(repository, ITEM_TOWER),
        count=len(ids),
        width=width,
        batches=(Batch(ids[part], vectors[part]) for part in parts),
    )
