"""Hold what is served from stored vectors against the encoder of the same repository.

    preprocess_offline   its half of what preprocess gives: equal
    preprocess_online
    offline_state        the offline state of the golden rows with torch's
    user_embedding       states of users that are stored: the encoder's of their latest requests; of one that is not:
                         the encoder's of the golden rows; `source` says which
    recommend_stored     of a user that is not stored: what `recommend` answers to the same request; of users that are,
                         with nothing sent that only the encoder reads: the ranker's top-k for their states

Where the store was replaced from a file, the latest requests are not at hand, and the stored states are taken as they
are; that they are whole, and of this encoder, the digests say.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.data.golden import UNICODE, Arrays, Row, null_row, read_item_ids, request_tensors
from export.data.latest_requests import Latest, encoded_batches, latest_rows
from export.errors import ParityError
from export.families.offline_online.plan import ENCODER, PREPROCESS, RANKER, RECOMMEND
from export.families.offline_online.stored.models import (
    ENCODER_DIGEST,
    OFFLINE_STATE,
    OPTIONAL,
    PREPROCESS_OFFLINE,
    PREPROCESS_ONLINE,
    RECOMMEND_STORED,
    SOURCE,
    STORE_DIGEST,
    USER_EMBEDDING,
    user_key,
)
from export.families.offline_online.stored.states import BATCH
from export.families.offline_online.stored.store import content_digest, read_arrays
from export.parity.answers import Reference, encode_rows
from export.parity.compare import RECORDED, Differences, compare_rankings, compare_tensors, decoded_answers, requests_of
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID, FittedSchema
from stage.progress import Report

STORED_HOPS = (PREPROCESS_OFFLINE, PREPROCESS_ONLINE, OFFLINE_STATE, USER_EMBEDDING, RECOMMEND_STORED)
ABSENT = f"{UNICODE}, nor stored"


def verify_stored(
    repository: str | Path, data: str | Path, fitted: FittedSchema, reference: Reference, replaced: bool, report: Report
) -> Differences:
    """The largest difference of each hop; nothing where the repository has no store.

    `replaced`: the store was put in place of the exported one, from a file.
    """
    local = LocalRepository(repository)
    if not local.holds(USER_EMBEDDING):
        return {}
    differences = _verify_computed(local, fitted, reference, report)
    report(f"verify {USER_EMBEDDING}")
    require_whole(local)
    differences[USER_EMBEDDING] = _verify_absent(local, data, fitted, reference)
    if not replaced:
        differences[USER_EMBEDDING] = max(differences[USER_EMBEDDING], _verify_latest(local, data, fitted))
    report(f"verify {RECOMMEND_STORED}")
    like_recommend = _verify_like_recommend(local, data, fitted, reference)
    differences[RECOMMEND_STORED] = max(like_recommend, _verify_ranked(local, data, fitted, reference))
    return differences


def _verify_computed(local: LocalRepository, fitted: FittedSchema, reference: Reference, report: Report) -> Differences:
    """What computes a state from a raw request, where the workflow is compiled."""
    differences: Differences = {}
    tensors = request_tensors(fitted.schema_.request_features, reference.rows)
    for hop in filter(local.holds, (PREPROCESS_OFFLINE, PREPROCESS_ONLINE)):
        report(f"verify {hop}")
        config = local.config(hop)
        whole = local.run(PREPROCESS, tensors)
        expected = {tensor.name: whole[tensor.name] for tensor in config.outputs}
        found = local.run(hop, {tensor.name: tensors[tensor.name] for tensor in config.inputs})
        differences[hop] = compare_tensors(hop, expected, found, tolerance=0.0, with_what=PREPROCESS)
    if local.holds(OFFLINE_STATE):
        report(f"verify {OFFLINE_STATE}")
        state = {name: values for name, values in reference.answers.items() if name not in (ITEM_IDS, SCORE)}
        raw = {tensor.name: tensors[tensor.name] for tensor in local.config(OFFLINE_STATE).inputs}
        differences[OFFLINE_STATE] = compare_tensors(OFFLINE_STATE, state, local.run(OFFLINE_STATE, raw))
    return differences


def require_whole(local: LocalRepository) -> None:
    """Raises `ParityError` where the store is not what its digests say, or of another encoder than the repository's."""
    parameters = local.config(USER_EMBEDDING).parameters
    encoder = encoder_digest(local.folder, ENCODER)
    made_by = parameters.get(ENCODER_DIGEST, "")
    if made_by != encoder:
        raise ParityError(
            f"{USER_EMBEDDING}: its vectors were made by encoder {made_by[:12]}, {ENCODER} is {encoder[:12]}: "
            "write them with `python -m export embeddings` and `python -m export stored`"
        )
    if content_digest(read_arrays(local.folder)) != parameters.get(STORE_DIGEST):
        raise ParityError(f"{USER_EMBEDDING}: its store is not what its digest says: export the repository again")


def _verify_absent(local: LocalRepository, data: str | Path, fitted: FittedSchema, reference: Reference) -> float:
    """The golden rows, sent for a user that is not stored."""
    rows = _of_users(fitted, reference.rows, [ABSENT] * len(reference.rows))
    tensors = _tensors(fitted, data, rows)
    found = _states(local, fitted, [ABSENT] * len(rows), tensors, b"computed")
    expected = local.run_step(RECOMMEND, ENCODER, tensors)
    return compare_tensors(USER_EMBEDDING, *_packed(expected, found), with_what="encoder")


def _verify_latest(local: LocalRepository, data: str | Path, fitted: FittedSchema) -> float:
    """The users of the data, at most `RECORDED` of them."""
    largest = 0.0
    for users, tensors in encoded_batches(_some(data, RECORDED), fitted.schema_.stage("offline"), BATCH):
        expected = local.run_step(RECOMMEND, ENCODER, tensors)
        found = _states(local, fitted, users, tensors, b"stored")
        largest = max(largest, compare_tensors(USER_EMBEDDING, *_packed(expected, found), with_what="encoder"))
    return largest


def _verify_like_recommend(
    local: LocalRepository, data: str | Path, fitted: FittedSchema, reference: Reference
) -> float:
    """The golden rows of a user that is not stored, through both ensembles."""
    features, key = fitted.schema_.request_features, user_key(fitted.schema_).name
    expected, found = [], []
    for rows in requests_of(reference):
        tensors = request_tensors(features, _of_users(fitted, rows, [ABSENT] * len(rows)))
        expected.append(local.run(RECOMMEND, tensors))
        found.append(local.run(RECOMMEND_STORED, {**tensors, key: _ids([ABSENT] * len(rows))}))
        _require_source(RECOMMEND_STORED, found[-1], b"computed", [ABSENT] * len(rows))
    return _compare_answers(expected, found, data)


def _verify_ranked(local: LocalRepository, data: str | Path, fitted: FittedSchema, reference: Reference) -> float:
    """The golden rows of users that are stored, without what the encoder alone reads."""
    features, key = fitted.schema_.request_features, user_key(fitted.schema_).name
    optional = set(local.config(RECOMMEND_STORED).parameters[OPTIONAL].split(","))
    users = _stored_users(local, len(reference.rows))
    nothing = null_row(features)
    rows = [
        {name: nothing[name] if name in optional else value for name, value in row.items()}
        for row in _of_users(fitted, reference.rows[: len(users)], users)
    ]
    tensors = _tensors(fitted, data, rows)
    states = _states(local, fitted, users, tensors, b"stored")
    ranked = local.run_step(RECOMMEND, RANKER, {**tensors, **states})
    found = local.run(RECOMMEND_STORED, {**request_tensors(features, rows), key: _ids(users)})
    _require_source(RECOMMEND_STORED, found, b"stored", users)
    ids, scores = decoded_answers([found], _encoded_ids(data))
    return compare_rankings(RECOMMEND_STORED, ranked, ids, scores)


def _stored_users(local: LocalRepository, most: int) -> list[str]:
    """Users of the store, at even distances."""
    arrays = read_arrays(local.folder)
    ends, count = arrays["id_end"], len(arrays["id_end"])
    places = [place * count // min(count, most) for place in range(min(count, most))]
    return [
        arrays["id"][int(ends[place - 1]) if place else 0 : int(ends[place])].tobytes().decode() for place in places
    ]


def _some(data: str | Path, most: int) -> list[Latest]:
    """At most so many users, at even distances."""
    latest = latest_rows(Path(data))
    every = -(-sum(len(each.users) for each in latest) // most)
    return [Latest(each.file, each.users[::every], each.rows[::every]) for each in latest]


def _of_users(fitted: FittedSchema, rows: list[Row], users: list[str]) -> list[Row]:
    """The rows as requests of these users, where a feature names the user."""
    key = user_key(fitted.schema_).name
    return [{**row, key: user} if key in row else row for row, user in zip(rows, users, strict=True)]


def _tensors(fitted: FittedSchema, data: str | Path, rows: list[Row]) -> Arrays:
    """Rows both raw and encoded."""
    features = fitted.schema_.request_features
    return {**request_tensors(features, rows), **encode_rows(features, data, rows)}


def _states(local: LocalRepository, fitted: FittedSchema, users: list[str], tensors: Arrays, source: bytes) -> Arrays:
    """What `user_embedding` gives, all of it from the source that is expected."""
    key = user_key(fitted.schema_).name
    found = local.run_step(RECOMMEND_STORED, USER_EMBEDDING, {**tensors, key: _ids(users)})
    _require_source(USER_EMBEDDING, found, source, users)
    return {name: values for name, values in found.items() if name != SOURCE.name}


def _require_source(hop: str, found: Arrays, source: bytes, users: list[str]) -> None:
    for user, seen in zip(users, found[SOURCE.name][:, 0], strict=True):
        if _text(seen) != _text(source):
            raise ParityError(
                f"{hop}: the state of user {user!r} is {_text(seen)}, expected {_text(source)}: export again"
            )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _ids(users: list[str]) -> NDArray[np.object_]:
    return np.array([[user.encode()] for user in users], dtype=np.object_)


def _packed(one: Arrays, other: Arrays) -> tuple[Arrays, Arrays]:
    """Two states with their repeats moved left, as wide as both need: padding stands anywhere in an encoder's."""
    if "repeat_items" not in one:
        return one, other
    width = max(int((each["repeat_items"] != PADDING_ID).sum(axis=1).max(initial=0)) for each in (one, other))
    return _moved_left(one, width), _moved_left(other, width)


def _moved_left(state: Arrays, width: int) -> Arrays:
    hidden = state["repeat_items"] == PADDING_ID
    order = np.argsort(hidden, axis=1, kind="stable")[:, :width]
    filled = ~np.take_along_axis(hidden, order, axis=1)
    items, logits = (np.take_along_axis(state[name], order, axis=1) for name in ("repeat_items", "repeat_logits"))
    return {**state, "repeat_items": items * filled, "repeat_logits": logits * filled}


def _compare_answers(expected: list[Arrays], found: list[Arrays], data: str | Path) -> float:
    encoded_ids = _encoded_ids(data)
    ids, score = decoded_answers(expected, encoded_ids)
    return compare_rankings(RECOMMEND_STORED, {ITEM_IDS: ids, SCORE: score}, *decoded_answers(found, encoded_ids))


def _encoded_ids(data: str | Path) -> dict[str, int]:
    return {item: place for place, item in reversed(list(enumerate(read_item_ids(data))))}
