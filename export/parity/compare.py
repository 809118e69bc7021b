"""Hold every hop of a repository against the trained model; refuse one that differs by more than the tolerance.

The trained model is there as torch's answers to the golden rows, which golden.parquet keeps since the export. Only what
the repository serves is compared: its graphs are in the one format it was exported in, ONNX or TorchScript.

    hop                    compared
    preprocess             ids and numbers of the compiled graph with the saved workflow's, on golden and recorded rows:
                           equal, but for the last bits of a logarithm
    preprocess_nvtabular   the served file's with the saved workflow's: equal
    torch_parts            offline part, then online part, each loaded alone, with the whole model
    offline_encoder        embedding and repeat logits of the exported graph with torch's; where there is one
    online_ranker          top-k of the exported graph, given torch's state, with torch's
    decode                 raw ids with the item index: equal
    recommend…             each chain with torch's top-k: the first 20 rows as requests of their own, the rest as one

Ids may differ only where scores tie: where the score of the id found and that of the id expected are no further apart
than the tolerance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, Row, read_item_ids, recorded_rows, request_tensors
from export.errors import ParityError
from export.families.offline_online.plan import (
    DECODE,
    ENCODER,
    PREPROCESS,
    PREPROCESS_NVTABULAR,
    RANKER,
    RECOMMEND,
    RECOMMEND_FUSED,
    RECOMMEND_NVTABULAR,
)
from export.parity.answers import Reference, encode_rows
from export.parity.local import LocalRepository
from export.parity.log_bound import log_bound
from export.triton.tensors import ENCODED, ITEM_ID, ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID, FittedSchema, Numeric
from stage.progress import Report

TOLERANCE = 1e-4
ALONE = 20
RECORDED = 2000
VERIFY = "verify.json"
PREPROCESS_RECORDED = "preprocess_recorded"
"""The difference of `preprocess` on recorded rows, where PREPROCESS is that on golden ones."""

ENSEMBLES = (RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_FUSED)
HOPS = (PREPROCESS, PREPROCESS_NVTABULAR, ENCODER, RANKER, DECODE, *ENSEMBLES)
"""What a repository is held to the trained model by, in this order, as far as it holds them."""

Differences = dict[str, float]


def verify_repository(
    repository: str | Path, data: str | Path, fitted: FittedSchema, reference: Reference, report: Report
) -> Differences:
    """The largest difference of each hop. Raises `ParityError` at the first that is beyond the tolerance."""
    local = LocalRepository(repository)
    features = fitted.schema_.request_features
    item_ids = read_item_ids(data)
    encoded = encode_rows(features, data, reference.rows)
    differences = verify_preprocessing(local, fitted, data, encoded, reference, report)

    state = {name: tensor for name, tensor in reference.answers.items() if name not in (ITEM_IDS, SCORE)}
    if state:
        report(f"verify {ENCODER}")
        found = local.run_step(RECOMMEND, ENCODER, encoded)
        differences[ENCODER] = compare_tensors(ENCODER, state, found)

    report(f"verify {RANKER}")
    ranked = local.run_step(RECOMMEND, RANKER, {**encoded, **state})
    differences[RANKER] = compare_rankings(RANKER, reference.answers, ranked[ITEM_IDS], ranked[SCORE])

    report(f"verify {DECODE}")
    differences[DECODE] = verify_decode(local, item_ids)

    encoded_ids = {item: place for place, item in reversed(list(enumerate(item_ids)))}
    for ensemble in filter(local.holds, ENSEMBLES):
        report(f"verify {ensemble}")
        answers = [local.run(ensemble, request_tensors(features, rows)) for rows in requests_of(reference)]
        ids, scores = decoded_answers(answers, encoded_ids)
        differences[ensemble] = compare_rankings(ensemble, reference.answers, ids, scores)
    return differences


def verify_preprocessing(
    local: LocalRepository,
    fitted: FittedSchema,
    data: str | Path,
    encoded: Arrays,
    reference: Reference,
    report: Report,
) -> Differences:
    """The largest difference of each model that encodes requests; `encoded` is the workflow's of the golden rows."""
    differences: Differences = {}
    for hop in (PREPROCESS, PREPROCESS_NVTABULAR):
        if not local.holds(hop):
            continue
        report(f"verify {hop}")
        differences[hop] = _compare_encoded(hop, fitted, encoded, local, reference.rows)
        if hop == PREPROCESS:
            features = fitted.schema_.request_features
            recorded = recorded_rows(data, features, RECORDED)
            real = encode_rows(features, data, recorded)
            differences[PREPROCESS_RECORDED] = _compare_encoded(hop, fitted, real, local, recorded)
    return differences


def verify_decode(local: LocalRepository, item_ids: list[str]) -> float:
    """0: every raw id is that of the item index."""
    # As wide as its answers are, and with the first ids once more at the end.
    [width] = local.config(DECODE).inputs[0].dims
    ids = np.resize(np.arange(len(item_ids), dtype=np.int64), (-(-len(item_ids) // width), width))
    decoded = local.run(DECODE, {ITEM_IDS: ids})[ITEM_ID]
    if decoded.ravel()[: len(item_ids)].tolist() != item_ids:
        raise ParityError(f"{DECODE}: its raw ids are not those of the item index: export the repository again")
    return 0.0


def requests_of(reference: Reference) -> list[list[Row]]:
    """The golden rows as requests: the first of them alone, the rest as one."""
    requests = [[row] for row in reference.rows[:ALONE]] + [reference.rows[ALONE:]]
    return [rows for rows in requests if rows]


def decoded_answers(
    answers: list[Arrays], encoded_ids: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Answers of a chain put together, [N, K]: encoded ids and scores."""
    ids = np.array([[encoded_ids[item] for item in row] for each in answers for row in each[ITEM_ID].tolist()])
    return ids, np.concatenate([each[SCORE] for each in answers])


def _compare_encoded(
    hop: str, fitted: FittedSchema, expected: Arrays, local: LocalRepository, rows: list[Row]
) -> float:
    """The largest difference between a preprocessing model's tensors and the saved workflow's."""
    features = fitted.schema_.request_features
    found = local.run(hop, request_tensors(features, rows))
    logs = {f.name + ENCODED for f in features if isinstance(f, Numeric) and f.log and hop == PREPROCESS}
    exact = {name: values for name, values in expected.items() if name not in logs}
    largest = compare_tensors(hop, exact, found, tolerance=0.0, with_what="saved workflow")
    for name in logs:
        learned = fitted.learned.get(name.removesuffix(ENCODED))
        values = expected[name]
        bound = log_bound(values, **(learned.statistics if learned and learned.statistics else {}))
        limit = float(bound[np.isfinite(values)].max(initial=0.0))
        largest = max(largest, compare_tensors(hop, {name: values}, found, limit, with_what="saved workflow"))
    return largest


def compare_tensors(
    hop: str, expected: Arrays, found: Arrays, tolerance: float = TOLERANCE, with_what: str = "trained model"
) -> float:
    """The largest difference between tensors of equal names. Raises `ParityError` beyond the tolerance."""
    largest = 0.0
    for name, values in expected.items():
        other = found.get(name)
        if other is None or other.shape != values.shape or other.dtype != values.dtype:
            seen = "missing" if other is None else f"{other.dtype} {list(other.shape)}"
            raise ParityError(f"{hop}: {name} is {seen}, expected {values.dtype} {list(values.shape)}: export again")
        difference = float(_differences(values, other).max(initial=0.0))
        limit = tolerance if values.dtype.kind == "f" else 0.0
        if not difference <= limit:
            shown = name.removesuffix(ENCODED)
            raise ParityError(
                f"{hop}: {shown} differs from the {with_what} by {difference:.3g}, {limit:g} is allowed: "
                "export the repository again"
            )
        largest = max(largest, difference)
    return largest


def compare_rankings(
    hop: str, expected: Arrays, ids: NDArray[np.int64], score: NDArray[np.float32], tolerance: float = TOLERANCE
) -> float:
    """The largest difference of scores [N, K], rank by rank. Raises `ParityError` beyond the tolerance, or by an id."""
    difference = compare_tensors(hop, {SCORE: expected[SCORE]}, {SCORE: score}, tolerance)
    for row in np.flatnonzero((ids != expected[ITEM_IDS]).any(axis=1)).tolist():
        wanted_ids, wanted = expected[ITEM_IDS][row], expected[SCORE][row]
        of_item = dict(zip(wanted_ids.tolist(), wanted.tolist(), strict=True))
        # An id that torch ranked below the last place can only tie with that place.
        of_found = np.array([of_item.get(item, wanted[-1]) for item in ids[row].tolist()])
        no_item = (ids[row] == PADDING_ID) | (wanted_ids == PADDING_ID)
        wrong = (ids[row] != wanted_ids) & (no_item | (_differences(wanted, of_found) > tolerance))
        filled = ids[row][ids[row] != PADDING_ID].tolist()
        if wrong.any() or len(set(filled)) < len(filled):
            rank = int(wrong.argmax())
            seen = (
                f"golden row {row}, rank {rank + 1} is item {ids[row][rank]}" if wrong.any() else "an item stands twice"
            )
            raise ParityError(f"{hop}: {seen}, the trained model says {wanted_ids[rank]}: export the repository again")
    return difference


def _differences(values: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Absolute differences; equal infinities do not differ, nor do two NaN; any other such pair does."""
    with np.errstate(invalid="ignore"):
        same = (values == other) | ((values != values) & (other != other))
        apart = np.abs(values.astype(np.float64) - other.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
