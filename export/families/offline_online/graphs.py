"""The served graphs of the trained model: two modules over encoded tensors, with top-k and the mask of seen items.

Inputs are [B, 1] for scalars, [B, L] for sequences, [B, dim] for vectors, like the server's tensors; non-finite numbers
are null. The item table is computed once and is a constant.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from export.data.nulls import Nulls
from export.families.offline_online.plan import RankingPlan
from export.graphs.layers import NOTHING, as_model_takes, best_candidates
from preprocessing.schema import FIRST_KNOWN_ID
from training.families.offline_online.model import (
    OfflineEncoder,
    OfflineOnline,
    OfflineState,
    OnlineRanker,
    RankerParts,
    empty_state,
    state_without_repeats,
)


class OfflineEncoderGraph(nn.Module):
    """Encode offline features: user_embedding [B, D] and, if sequences repeat, repeat_items, repeat_logits [B, R]."""

    table: Tensor

    def __init__(self, encoder: OfflineEncoder, table: Tensor, plan: RankingPlan, nulls: Nulls) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("table", table)
        self._features, self._nulls = plan.schema.stage("offline"), nulls
        self._outputs = len(plan.state)

    def forward(self, *encoded: Tensor) -> tuple[Tensor, ...]:
        state = self.encoder(as_model_takes(self._features, self._nulls, encoded), self.table)
        return tuple(state)[: self._outputs]


class OnlineRankerGraph(nn.Module):
    """Rank by the offline state and encoded online features: item_ids [B, K] int64 and score [B, K], best first.

    Special ids and, if the plan says so, items of the excluded sequences are not candidates. Slots that no candidate
    fills, and scores that are not numbers, become id 0 with score -inf.
    """

    table: Tensor

    def __init__(self, ranker: OnlineRanker, table: Tensor, plan: RankingPlan, nulls: Nulls) -> None:
        super().__init__()
        self.ranker = no_special_ids(ranker)
        self.register_buffer("table", table)
        self._features, self._nulls = plan.ranker_features, nulls
        self._state = len(plan.state)
        self._excluded = plan.schema.exclude if plan.exclude_seen else ()
        self._top_k = plan.top_k

    def forward(self, *encoded: Tensor) -> tuple[Tensor, Tensor]:
        features = as_model_takes(self._features, self._nulls, encoded[self._state :])
        state = offline_state(encoded[: self._state], encoded[0], self.table)
        parts = self.ranker.parts(state, features, self.table)
        scores = spread_sparsely(parts)
        for name in self._excluded:
            scores = scores.scatter(1, features[name], NOTHING)
        score, item_ids = torch.topk(scores, self._top_k, dim=1)
        return best_candidates(score, item_ids)


def no_special_ids(ranker: OnlineRanker) -> OnlineRanker:
    """Return a copy that scores special ids -inf, without the cost of a mask over the whole catalogue."""
    served = copy.deepcopy(ranker)
    served.items.bias.data[:FIRST_KNOWN_ID] = NOTHING
    return served


def offline_state(tensors: tuple[Tensor, ...], rows: Tensor, table: Tensor) -> OfflineState:
    """Return the state from its served tensors: only the embedding without repeat sequences, none without offline
    features, where `rows` [B, ...] gives the number of rows."""
    if not tensors:
        return empty_state(rows, table)
    if len(tensors) == 1:
        return state_without_repeats(tensors[0])
    return OfflineState(*tensors)


def spread_sparsely(parts: RankerParts) -> Tensor:
    """Return the result of the model's `spread_repeats` to the bit, without a logarithm over the whole catalogue.

    Only items that repeat change, and positions with the same item write the same value. [B, I].
    """
    scores, items = parts.scores, parts.repeat_items
    if items.shape[1] == 0:
        return scores
    weight = torch.zeros_like(scores).scatter_add(1, items, torch.exp(parts.repeat_logits))
    return scores.scatter(1, items, scores.gather(1, items) + torch.log1p(weight.gather(1, items)))


def serving_graphs(
    whole: OfflineOnline, plan: RankingPlan, nulls: Nulls
) -> tuple[OfflineEncoderGraph | None, OnlineRankerGraph]:
    """Return both graphs of a model in evaluation mode, with one item table; no encoder without offline features."""
    table = item_table(whole)
    encoder = OfflineEncoderGraph(whole.offline, table, plan, nulls).eval() if plan.state else None
    return encoder, OnlineRankerGraph(whole.online, table, plan, nulls).eval()


def item_table(whole: OfflineOnline) -> Tensor:
    """Return the table with which the model reads and scores items, [I, D], as a constant."""
    with torch.no_grad():
        return whole.items.table().detach()
