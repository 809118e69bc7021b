"""Give a repository its store of users, or another one in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from export.data.golden import Arrays
from export.errors import ParityError, RepositoryError
from export.families.offline_online.plan import ENCODER, FAMILY, Plan
from export.families.offline_online.stored.models import (
    SOURCE,
    USER_EMBEDDING,
    USER_ID,
    halves,
    nothing_to_store,
    stored_configs,
)
from export.families.offline_online.stored.states import States, latest_states, read_states, require_made_for
from export.families.offline_online.stored.store import write_store
from export.graphs.workflow import compile_workflow, request_columns
from export.parity.answers import workflow_folder
from export.parity.compare import compare_tensors
from export.parity.declared import require_declared
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from export.repository.linked_copy import copy_linked
from export.repository.members import ONNX, begin_models
from export.repository.result import read_result, write_result
from preprocessing.schema import FittedSchema, read_fitted
from stage.output import rewritten_folder
from stage.progress import steps

_READ, _WRITE, _CHECK = "read the embeddings", f"write {USER_EMBEDDING}", f"check {USER_EMBEDDING}"
_CHECKED = 200


def add_store(plan: Plan, fitted: FittedSchema, data: Path, folder: Path) -> dict[str, Any]:
    """Write what serves from stored vectors into a repository that has all else; what verify.json says of it.

    The states are those of every user's latest request in `data`.
    """
    begin_models(stored_configs(plan), folder)
    if plan.compiled:
        columns = request_columns(plan.schema.request_features)
        for name, features in halves(plan).items():
            path = folder / name / "1" / ONNX
            if path.parent.is_dir():
                compile_workflow(workflow_folder(data), columns, path, only=[feature.name for feature in features])
    local = LocalRepository(folder)
    states = latest_states(local, fitted, data)
    write_store(local.config(USER_EMBEDDING), states, encoder_digest(folder, ENCODER), folder)
    return {"users": len(states.users), "replaced": False}


def replace_store(repository: str | Path, embeddings: str | Path) -> dict[str, Any]:
    """Put the embeddings of a file in the place of the store, whole or not at all; the content of verify.json.

    The repository is written beside and renamed: a server that has it loaded goes on with the old store until it is
    told to load the new one. Raises `RepositoryError` where the file was made by another encoder or for another fit.
    """
    source, file = Path(repository), Path(embeddings)
    fitted, exported, before = read_fitted(repository), read_result(repository, FAMILY), LocalRepository(repository)
    if reason := nothing_to_store(fitted.schema_):
        raise RepositoryError(f"{repository}: {reason}: recommend needs none, call that")
    if not before.holds(USER_EMBEDDING):
        raise RepositoryError(f"no {USER_EMBEDDING} in {repository}: export it with --stored-embeddings")
    digest = encoder_digest(repository, ENCODER)
    require_made_for(file, repository, fitted.digest, digest)
    config = before.config(USER_EMBEDDING)
    with rewritten_folder(repository, [embeddings]) as folder, steps((_READ, _WRITE, _CHECK)) as step:
        step(_READ)
        longest = int(config.parameters.get("repeat_length", "0"))
        states = read_states(file, config.outputs[0].dims[0], longest, fitted.items)
        step(_WRITE)
        copy_linked(source, folder, {USER_EMBEDDING})
        write_store(config, states, digest, folder)
        step(_CHECK)
        _check_served(LocalRepository(folder), states)
        result = {**exported, "stored": {"users": len(states.users), "replaced": True}}
        write_result(result, folder)
        require_declared(folder)
    return result


def _check_served(local: LocalRepository, states: States) -> None:
    """Hold what the model serves of some users against what it was given."""
    count = len(states.users)
    places = [place * count // min(count, _CHECKED) for place in range(min(count, _CHECKED))]
    for place in places:
        ids = np.array([[states.users[place].encode()]], dtype=np.object_)
        found = local.run(USER_EMBEDDING, {USER_ID.name: ids})
        if found[SOURCE.name].tolist() != [[b"stored"]]:
            raise ParityError(f"{USER_EMBEDDING}: does not find user {states.users[place]!r}: write the store again")
        compare_tensors(USER_EMBEDDING, _row(states, place, found), found, tolerance=0.0, with_what="file")


def _row(states: States, place: int, like: Arrays) -> Arrays:
    """The state of one user as it is served, [1, ...], padded as `like` is."""
    row: Arrays = {"user_embedding": states.embedding[place : place + 1]}
    if states.ends is not None and states.items is not None and states.logits is not None:
        start, end = (int(states.ends[place - 1]) if place else 0), int(states.ends[place])
        for name, values in (("repeat_items", states.items), ("repeat_logits", states.logits)):
            row[name] = like[name].copy()
            row[name][0, : end - start] = values[start:end]
        row["repeat_items"][0, end - start :] = 0
    return row
