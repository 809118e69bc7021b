"""The hops of the models that all families share.

preprocess            ids and numbers of the compiled graph and of the saved workflow on golden rows: equal, except for
                      the last bits of a logarithm
preprocess_recorded   the same on rows of the data set
preprocess_nvtabular  the served model's and the saved workflow's: equal
decode                raw ids and the item index's: equal
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, Row, request_tensors
from export.errors import IF_CHANGED, ParityError
from export.parity.answers import decoded_answers
from export.parity.compare import compare_rankings, compare_tensors
from export.parity.hop import Hop
from export.parity.log_bound import log_bound
from export.repository.feature_requests import FeatureJob
from export.repository.job import Job
from export.triton.plan import DECODE, PREPROCESS, PREPROCESS_NVTABULAR, Plan
from export.triton.tensors import ENCODED, ITEM_ID, ITEM_IDS
from preprocessing.schema import Numeric

PREPROCESS_RECORDED = "preprocess_recorded"

Ranking = tuple[NDArray[np.int64], NDArray[np.float32]]


def preprocessing_hops(job: FeatureJob, plan: Plan) -> tuple[Hop, ...]:
    """Return the hops of the models that encode requests."""

    def golden(model: str) -> float:
        return _compare_encoded(job, model, job.requests.encoded, job.requests.rows)

    def recorded() -> float:
        return _compare_encoded(
            job,
            PREPROCESS,
            job.requests.workflow.encode(job.requests.features, job.requests.recorded),
            job.requests.recorded,
        )

    compiled = (Hop(PREPROCESS, partial(golden, PREPROCESS), True), Hop(PREPROCESS_RECORDED, recorded, True))
    interpreted = (Hop(PREPROCESS_NVTABULAR, partial(golden, PREPROCESS_NVTABULAR), True),)
    return (*(compiled if plan.compiled else ()), *(interpreted if plan.serves_nvtabular else ()))


def decode_hop(job: Job[Any]) -> Hop:
    """Return the hop of the last model of a chain."""
    return Hop(DECODE, partial(_check_decode, job), shared=True)


def chain_answers(job: Job[Any], chain: str, also: Callable[[int], Arrays] = lambda _: {}) -> Ranking:
    """Return a chain's answers to the golden rows: ids and scores [N, K].

    `also`: returns the tensors of a request besides its features, for a number of rows.
    """
    requests = [{**tensors, **also(len(next(iter(tensors.values()))))} for tensors in job.golden_tensors]
    return decoded_answers([job.local.run(chain, tensors) for tensors in requests], job.encoded_ids)


def chain_hop(job: Job[Any], family: str, chain: str) -> Hop:
    """Return the hop of an ensemble or a fused graph whose answers are torch's top-k of the golden rows."""
    return Hop(chain, lambda: compare_rankings(chain, job.golden(family), *chain_answers(job, chain)))


def _check_decode(job: Job[Any]) -> float:
    # As wide as its answers, and with the first ids once more at the end.
    [width] = job.local.config(DECODE).inputs[0].dims
    count = len(job.item_ids)
    ids = np.resize(np.arange(count, dtype=np.int64), (-(-count // width), width))
    decoded = job.local.run(DECODE, {ITEM_IDS: ids})[ITEM_ID]
    if decoded.ravel()[:count].tolist() != job.item_ids:
        raise ParityError(f"{DECODE}: its raw ids differ from those of the item index: {IF_CHANGED}")
    return 0.0


def _compare_encoded(job: FeatureJob, model: str, expected: Arrays, rows: list[Row]) -> float:
    """Return the largest difference between a preprocessing model's tensors and the saved workflow's."""
    found = job.local.run(model, request_tensors(job.requests.features, rows))
    is_compiled = model == PREPROCESS
    logs = {f.name + ENCODED for f in job.requests.features if isinstance(f, Numeric) and f.log and is_compiled}
    exact = {name: values for name, values in expected.items() if name not in logs}
    largest = compare_tensors(model, exact, found, tolerance=0.0, with_what="saved workflow")
    for name in logs:
        learned = job.fitted.learned.get(name.removesuffix(ENCODED))
        values = expected[name]
        bound = log_bound(values, **(learned.statistics if learned and learned.statistics else {}))
        limit = float(bound[np.isfinite(values)].max(initial=0.0))
        largest = max(largest, compare_tensors(model, {name: values}, found, limit, with_what="saved workflow"))
    return largest
