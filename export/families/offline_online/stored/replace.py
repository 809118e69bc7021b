"""The replacement of a repository's stored embeddings with those of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from export.data.golden import Arrays
from export.errors import ParityError, RepositoryError
from export.families.offline_online.plan import ENCODER, RankingPlan
from export.families.offline_online.stored.models import SOURCE, USER_EMBEDDING, USER_ID, nothing_to_store
from export.families.offline_online.stored.states import States, read_states, require_made_for
from export.families.offline_online.stored.store import write_store
from export.parity.compare import compare_tensors
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from export.repository.linked_copy import copy_linked
from export.repository.written import Written
from preprocessing.schema import FittedSchema
from stage.progress import Report

_CHECKED = 200


def require_replaceable(repository: Path, embeddings: Path, fitted: FittedSchema) -> None:
    """Raise `RepositoryError` if the repository has no store, or the file is of another encoder or fit."""
    if reason := nothing_to_store(fitted.schema_):
        raise RepositoryError(f"{repository}: {reason}: use recommend, which needs no stored embeddings")
    if not LocalRepository(repository).holds(USER_EMBEDDING):
        raise RepositoryError(f"no {USER_EMBEDDING} in {repository}: export it with --stored-embeddings")
    require_made_for(embeddings, repository, fitted.digest, encoder_digest(repository, ENCODER))


def write_replaced(
    repository: Path, embeddings: Path, fitted: FittedSchema, plan: RankingPlan, folder: Path, report: Report
) -> Written[RankingPlan]:
    """Fill `folder`, which no server sees yet, with the repository and the new states."""
    config = LocalRepository(repository).config(USER_EMBEDDING)
    report("read the embeddings")
    longest = int(config.parameters.get("repeat_length", "0"))
    states = read_states(embeddings, config.outputs[0].dims[0], longest, fitted.items)
    report(f"write {USER_EMBEDDING}")
    copy_linked(repository, folder, {USER_EMBEDDING})
    write_store(config, states, encoder_digest(repository, ENCODER), folder)
    report(f"check {USER_EMBEDDING}")
    _check_served(LocalRepository(folder), states)
    return Written(replace(plan, replaced=True), {"stored": {"users": len(states.users)}})


def _check_served(local: LocalRepository, states: States) -> None:
    """Compare the served states of some users with the given ones."""
    count = len(states.users)
    places = [place * count // min(count, _CHECKED) for place in range(min(count, _CHECKED))]
    for place in places:
        ids = np.array([[states.users[place].encode()]], dtype=np.object_)
        found = local.run(USER_EMBEDDING, {USER_ID.name: ids})
        if found[SOURCE.name].tolist() != [[b"stored"]]:
            raise ParityError(f"{USER_EMBEDDING}: does not find user {states.users[place]!r}: write the store again")
        compare_tensors(USER_EMBEDDING, _row(states, place, found), found, tolerance=0.0, with_what="file")


def _row(states: States, place: int, like: Arrays) -> Arrays:
    """Return the served form of one user's state, [1, ...], padded like `like`."""
    row: Arrays = {"user_embedding": states.embedding[place : place + 1]}
    if states.ends is not None and states.items is not None and states.logits is not None:
        start, end = (int(states.ends[place - 1]) if place else 0), int(states.ends[place])
        for name, values in (("repeat_items", states.items), ("repeat_logits", states.logits)):
            row[name] = like[name].copy()
            row[name][0, : end - start] = values[start:end]
        row["repeat_items"][0, end - start :] = 0
    return row
