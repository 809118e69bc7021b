"""Offline states of users, from their latest requests or from a file of `export embeddings`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.data.latest_requests import encoded_batches, latest_rows
from export.embeddings.file import SCHEMA_DIGEST
from export.errors import RepositoryError
from export.families.offline_online.plan import ENCODER, RECOMMEND, RankingPlan
from export.parity.local import LocalRepository
from export.repository.encoder_digest import ENCODER_DIGEST
from preprocessing.schema import PADDING_ID, FittedSchema
from stage.parquet import read_columns, read_metadata

BATCH = 256


@dataclass(frozen=True)
class States:
    """Users and their states: `embedding` [U, D] float32 and, if sequences repeat, the concatenated repeats of all
    users: `items` [V] int32, `logits` [V] float32, and the end of each user's repeats, `ends` [U] int64."""

    users: list[str]
    embedding: NDArray[np.float32]
    ends: NDArray[np.int64] | None = None
    items: NDArray[np.int32] | None = None
    logits: NDArray[np.float32] | None = None


def latest_states(local: LocalRepository, fitted: FittedSchema, data: Path) -> States:
    """Return the states of every user's latest request in any split, from the exported encoder."""
    users: list[str] = []
    answers: list[Arrays] = []
    for names, tensors in encoded_batches(latest_rows(data), fitted.schema_.stage("offline"), BATCH):
        users += names
        answers.append(_visible(local.run_step(RECOMMEND, ENCODER, tensors)))
    joined = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    embedding = joined["user_embedding"]
    if "repeat_items" not in joined:
        return States(users, embedding)
    ends = np.cumsum(joined["lengths"])
    return States(users, embedding, ends, joined["repeat_items"].astype(np.int32), joined["repeat_logits"])


def _visible(answer: Arrays) -> Arrays:
    """Return an answer of the encoder with concatenated repeats, without padding, and their `lengths` [B]."""
    if "repeat_items" not in answer:
        return answer
    visible = answer["repeat_items"] != PADDING_ID
    repeats = {name: answer[name][visible] for name in ("repeat_items", "repeat_logits")}
    return {"user_embedding": answer["user_embedding"], **repeats, "lengths": visible.sum(axis=1)}


def read_states(path: Path, dim: int, longest: int, items: int) -> States:
    """Read and check a file of embeddings.

    Args:
        path: The output of `export embeddings`.
        dim: Required width of an embedding.
        longest: Maximal number of repeats of a user; 0 if the model has none.
        items: Number of item ids; ids of repeats must be smaller.

    Raises:
        RepositoryError: The file is malformed.

    """
    names = ["user", "embedding", *(["repeat_items", "repeat_logits"] if longest else [])]
    table = read_columns(path, names, "write it with `export embeddings`").combine_chunks()
    users = [None if user is None else str(user) for user in table["user"].to_pylist()]
    if not users:
        raise RepositoryError(f"{path}: has no users: write it with `export embeddings`")
    if not all(users) or len(set(users)) < len(users):
        raise RepositoryError(f"{path}: has a user twice or a row without a user: write it with `export embeddings`")
    width, embedding = _ragged(path, table, "embedding", np.float32)
    if (width != dim).any():
        wrong = int(width[width != dim][0])
        raise RepositoryError(f"{path}: has an embedding of {wrong} numbers, the encoder returns {dim}: write it again")
    if not np.isfinite(embedding).all():
        row = int(np.flatnonzero(~np.isfinite(embedding).reshape(-1, dim).all(axis=1))[0])
        raise RepositoryError(f"{path}: the embedding of user {users[row]!r} is not all numbers: write it again")
    if not longest:
        return States([str(user) for user in users], embedding.reshape(-1, dim))
    lengths, repeated = _ragged(path, table, "repeat_items", np.int64)
    other, logits = _ragged(path, table, "repeat_logits", np.float32)
    known = bool(((repeated > PADDING_ID) & (repeated < items)).all())
    if (lengths != other).any() or lengths.max() > longest or not known or not np.isfinite(logits).all():
        raise RepositoryError(f"{path}: its repeat_items and repeat_logits are not those of this encoder: write again")
    ends = np.cumsum(lengths)
    return States([str(user) for user in users], embedding.reshape(-1, dim), ends, repeated.astype(np.int32), logits)


def _ragged(path: Path, table: Any, name: str, dtype: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return lengths and values of a column of lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name].combine_chunks()
    try:
        lengths = pc.list_value_length(column)
        values = pc.list_flatten(column)
        if column.null_count or values.null_count:
            raise RepositoryError(f"{path}: {name} has nulls: write it with `export embeddings`")
        return lengths.to_numpy().astype(np.int64), values.to_numpy().astype(dtype)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise RepositoryError(f"{path}: {name} has no lists of numbers ({error}): write it again") from None


def require_made_for(path: Path, repository: str | Path, schema_digest: str, encoder_digest: str) -> None:
    """Refuse a file of embeddings of another fit or another encoder."""
    about = read_metadata(path, "give the output of `export embeddings`")
    for key, expected in ((SCHEMA_DIGEST, schema_digest), (ENCODER_DIGEST, encoder_digest)):
        seen = about.get(key, b"").decode(errors="replace")
        if seen != expected:
            raise RepositoryError(
                f"{path}: was made with {key.decode()} {seen[:12] or 'unknown'}, the repository {repository} has "
                f"{expected[:12]}: write it with `python -m export embeddings --repository {repository} --data DATA "
                f"--family {RankingPlan.family} --output {path} --overwrite`"
            )
