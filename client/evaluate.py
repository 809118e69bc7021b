"""Offline metrics of a served model: replay recorded rows through the server and rank the targets in its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from client.errors import InvalidRequest, ModelMismatch, RecordedDataInvalid
from client.recommend_client import Recommendation, RecommendClient
from client.recorded import RecordedRow, RecordedRows
from client.signature import ITEM_ID
from metrics import RankError, RankingMetrics, target_ranks_from_lists


@dataclass(frozen=True)
class Replay:
    """The metrics over `rows` rows; `by_reason` has the metrics and `rows` per reason, if the model gives reasons.

    rows_per_second: counts the time of requests only.
    """

    metrics: dict[str, float]
    rows: int
    rows_per_second: float
    by_reason: dict[str, dict[str, float]]


def evaluate(
    client: RecommendClient,
    rows: RecordedRows,
    ks: Sequence[int],
    limit: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Replay:
    """Return metrics over the first `limit` rows.

    `advance` is called with the number of rows after each batch. Raises ModelMismatch if the model lists fewer
    items than the largest k, and RecordedDataInvalid if the rows lack the target or a column that the model
    takes: with nulls instead, the metric would not be comparable.
    """
    rows.require("target")
    rows.serve(client.signature)
    metrics = RankingMetrics(ks)
    by_reason: dict[str, RankingMetrics] = {}
    listed = client.signature.outputs[ITEM_ID].dims if ITEM_ID in client.signature.outputs else (-1,)
    if 0 < listed[-1] < max(ks):
        raise ModelMismatch(
            f"{client.model}: lists {listed[-1]} items, fewer than k = {max(ks)}: give --k of at most {listed[-1]}; "
            "if the catalogue has more items, an export with a larger --top-k lists more"
        )
    spent_s = 0.0
    for batch in rows.batches(client.signature.max_batch_size, limit):
        started = time.perf_counter()
        try:
            answers = client.recommend([row.request(client.signature) for row in batch])
        except InvalidRequest as error:
            raise RecordedDataInvalid(f"recorded rows from {metrics.rows} on: {error}") from None
        spent_s += time.perf_counter() - started
        try:
            add_answers(metrics, answers, batch)
            for reason in dict.fromkeys(answer.reason for answer in answers if answer.reason):
                pairs = [pair for pair in zip(answers, batch, strict=True) if pair[0].reason == reason]
                add_answers(by_reason.setdefault(reason, RankingMetrics(ks)), *zip(*pairs, strict=True))
        except RankError as error:
            first = metrics.rows
            raise RecordedDataInvalid(f"recorded rows from {first} on: {error}") from None
        advance(len(batch))
    reasons = {reason: {"rows": each.rows, **each.compute()} for reason, each in by_reason.items()}
    return Replay(metrics.compute(), metrics.rows, metrics.rows / spent_s, reasons)


def add_answers(metrics: RankingMetrics, answers: Sequence[Recommendation], rows: Sequence[RecordedRow]) -> None:
    """Add the ranks of the rows' targets in the answers to `metrics`; short answers are padded with score -inf."""
    longest = max(1, max(len(answer.item_ids) for answer in answers))
    ids = [[*answer.item_ids, *[""] * (longest - len(answer.item_ids))] for answer in answers]
    scores = np.full((len(answers), longest), -np.inf)
    for row, answer in enumerate(answers):
        scores[row, : len(answer.scores)] = answer.scores
    metrics.update(target_ranks_from_lists(ids, scores, [row.target for row in rows]))
