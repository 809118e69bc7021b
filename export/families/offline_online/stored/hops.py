"""The hops of models that serve from stored vectors, compared with the encoder of the same repository.

    preprocess_offline   its half of the output of preprocess: equal
    preprocess_online
    offline_state        the offline state of the golden rows and torch's
    user_embedding       states of stored users: the encoder's, of their latest requests; of a user who is not stored:
                         the encoder's, of the golden rows; `source` says which
    recommend_stored     of a user who is not stored: the answer of `recommend` to the same request; of stored users,
                         without the features that only the encoder reads: the ranker's top-k for their states

If a file replaced the store, the latest requests are not available, and the stored states are not compared; the digests
show that they are complete and of this encoder.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from export.data.golden import UNICODE, Arrays, Row, null_row, request_tensors
from export.data.latest_requests import Latest, encoded_batches, latest_rows
from export.errors import EXPORT_AGAIN, IF_CHANGED, ParityError
from export.families.offline_online.plan import ENCODER, RANKER, RECOMMEND, RankingPlan
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
from export.families.offline_online.stored.packed import packed
from export.families.offline_online.stored.states import BATCH
from export.families.offline_online.stored.store import content_digest, read_arrays
from export.parity.answers import decoded_answers, requests_of, without_ranking
from export.parity.compare import compare_rankings, compare_tensors
from export.parity.hop import Hop
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from export.repository.feature_requests import RECORDED, FeatureJob
from export.triton.plan import PREPROCESS
from export.triton.tensors import ITEM_IDS, SCORE

ABSENT = f"{UNICODE}, nor stored"


def stored_hops(job: FeatureJob, plan: RankingPlan) -> tuple[Hop, ...]:
    """Return the hops of models with stored states; the halves and the state only of a compiled workflow."""
    halves = (PREPROCESS_OFFLINE, *([PREPROCESS_ONLINE] if plan.ranker_features else []))
    computed = (
        *(Hop(half, partial(_check_half, job, half)) for half in halves),
        Hop(OFFLINE_STATE, partial(_check_state, job, plan)),
    )
    return (
        *(computed if plan.compiled else ()),
        Hop(USER_EMBEDDING, partial(_check_users, job, plan)),
        Hop(RECOMMEND_STORED, lambda: max(_check_like_recommend(job), _check_ranked(job))),
    )


def require_whole(local: LocalRepository) -> None:
    """Raise `ParityError` if the store does not match its digests, or is of another encoder than the repository's."""
    parameters = local.config(USER_EMBEDDING).parameters
    encoder = encoder_digest(local.folder, ENCODER)
    made_by = parameters.get(ENCODER_DIGEST, "")
    if made_by != encoder:
        raise ParityError(
            f"{USER_EMBEDDING}: its vectors were made by encoder {made_by[:12]}, {ENCODER} is {encoder[:12]}: "
            "write them with `python -m export embeddings` and `python -m export stored`"
        )
    if content_digest(read_arrays(local.folder)) != parameters.get(STORE_DIGEST):
        raise ParityError(f"{USER_EMBEDDING}: its store does not match its digest: {EXPORT_AGAIN}")


def _check_half(job: FeatureJob, half: str) -> float:
    tensors, config = request_tensors(job.requests.features, job.requests.rows), job.local.config(half)
    whole = job.local.run(PREPROCESS, tensors)
    expected = {tensor.name: whole[tensor.name] for tensor in config.outputs}
    found = job.local.run(half, {tensor.name: tensors[tensor.name] for tensor in config.inputs})
    return compare_tensors(half, expected, found, tolerance=0.0, with_what=PREPROCESS)


def _check_state(job: FeatureJob, plan: RankingPlan) -> float:
    tensors = request_tensors(job.requests.features, job.requests.rows)
    raw = {tensor.name: tensors[tensor.name] for tensor in job.local.config(OFFLINE_STATE).inputs}
    return compare_tensors(OFFLINE_STATE, without_ranking(job.golden(plan.family)), job.local.run(OFFLINE_STATE, raw))


def _check_users(job: FeatureJob, plan: RankingPlan) -> float:
    require_whole(job.local)
    absent = _check_absent(job)
    return absent if plan.replaced else max(absent, _check_latest(job))


def _check_absent(job: FeatureJob) -> float:
    """Compare the states of the golden rows, as requests of a user who is not stored, with the encoder's."""
    users = [ABSENT] * len(job.requests.rows)
    tensors = _tensors(job, _of_users(job, job.requests.rows, users))
    found = _states(job, users, tensors, b"computed")
    expected = job.local.run_step(RECOMMEND, ENCODER, tensors)
    return compare_tensors(USER_EMBEDDING, *packed(expected, found), with_what="encoder")


def _check_latest(job: FeatureJob) -> float:
    """Compare the states of users of the data, about `RECORDED` of them."""
    largest = 0.0
    for users, tensors in encoded_batches(_some(job, RECORDED), job.schema.stage("offline"), BATCH):
        expected = job.local.run_step(RECOMMEND, ENCODER, tensors)
        found = _states(job, users, tensors, b"stored")
        largest = max(largest, compare_tensors(USER_EMBEDDING, *packed(expected, found), with_what="encoder"))
    return largest


def _check_like_recommend(job: FeatureJob) -> float:
    """Compare the golden rows of a user who is not stored, through both ensembles."""
    key = user_key(job.schema).name
    expected, found = [], []
    for rows in requests_of(job.requests.rows):
        users = [ABSENT] * len(rows)
        tensors = request_tensors(job.requests.features, _of_users(job, rows, users))
        expected.append(job.local.run(RECOMMEND, tensors))
        found.append(job.local.run(RECOMMEND_STORED, {**tensors, key: _ids(users)}))
        _require_source(RECOMMEND_STORED, found[-1], b"computed", users)
    ids, score = decoded_answers(expected, job.encoded_ids)
    seen = decoded_answers(found, job.encoded_ids)
    return compare_rankings(RECOMMEND_STORED, {ITEM_IDS: ids, SCORE: score}, *seen)


def _check_ranked(job: FeatureJob) -> float:
    """Compare the golden rows of stored users, without the features that only the encoder reads."""
    optional = set(job.local.config(RECOMMEND_STORED).parameters[OPTIONAL].split(","))
    users, nothing = _stored_users(job, len(job.requests.rows)), null_row(job.requests.features)
    rows = [
        {name: nothing[name] if name in optional else value for name, value in row.items()}
        for row in _of_users(job, job.requests.rows[: len(users)], users)
    ]
    tensors = _tensors(job, rows)
    states = _states(job, users, tensors, b"stored")
    ranked = job.local.run_step(RECOMMEND, RANKER, {**tensors, **states})
    request = {**request_tensors(job.requests.features, rows), user_key(job.schema).name: _ids(users)}
    found = job.local.run(RECOMMEND_STORED, request)
    _require_source(RECOMMEND_STORED, found, b"stored", users)
    return compare_rankings(RECOMMEND_STORED, ranked, *decoded_answers([found], job.encoded_ids))


def _stored_users(job: FeatureJob, most: int) -> list[str]:
    """Return evenly spaced users of the store."""
    arrays = read_arrays(job.folder)
    ends, count = arrays["id_end"], len(arrays["id_end"])
    places = [place * count // min(count, most) for place in range(min(count, most))]
    return [
        arrays["id"][int(ends[place - 1]) if place else 0 : int(ends[place])].tobytes().decode() for place in places
    ]


def _some(job: FeatureJob, most: int) -> list[Latest]:
    """Return evenly spaced users of each file, about `most` in all."""
    latest = latest_rows(job.requests.data)
    every = -(-sum(len(each.users) for each in latest) // most)
    return [Latest(each.file, each.users[::every], each.rows[::every]) for each in latest]


def _of_users(job: FeatureJob, rows: list[Row], users: list[str]) -> list[Row]:
    """Return the rows as requests of these users, if a feature is the user id."""
    key = user_key(job.schema).name
    return [{**row, key: user} if key in row else row for row, user in zip(rows, users, strict=True)]


def _tensors(job: FeatureJob, rows: list[Row]) -> Arrays:
    """Return the tensors of the rows in raw and in encoded form."""
    encoded = (
        job.requests.encoded if rows == job.requests.rows else job.requests.workflow.encode(job.requests.features, rows)
    )
    return {**request_tensors(job.requests.features, rows), **encoded}


def _states(job: FeatureJob, users: list[str], tensors: Arrays, source: bytes) -> Arrays:
    """Return the answer of `user_embedding`; refuse another source than the expected one."""
    request = {**tensors, user_key(job.schema).name: _ids(users)}
    found = job.local.run_step(RECOMMEND_STORED, USER_EMBEDDING, request)
    _require_source(USER_EMBEDDING, found, source, users)
    return {name: values for name, values in found.items() if name != SOURCE.name}


def _require_source(hop: str, found: Arrays, source: bytes, users: list[str]) -> None:
    for user, seen in zip(users, found[SOURCE.name][:, 0], strict=True):
        if _text(seen) != _text(source):
            raise ParityError(
                f"{hop}: the state of user {user!r} is {_text(seen)}, expected {_text(source)}: {IF_CHANGED}"
            )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _ids(users: list[str]) -> NDArray[np.object_]:
    return np.array([[user.encode()] for user in users], dtype=np.object_)
