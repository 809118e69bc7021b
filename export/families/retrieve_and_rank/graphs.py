"""The online ranker over candidates: it scores [B, C], independent of the size of the catalogue."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.data.nulls import Nulls
from export.families.offline_online.graphs import no_special_ids, offline_state
from export.families.retrieve_and_rank.plan import TwoStages
from export.graphs.layers import NOTHING, as_model_takes, best_candidates
from training.families.offline_online.model import OnlineRanker


class CandidateRankerGraph(nn.Module):
    """Rank by state, encoded online features, candidates [B, C] and excluded ids [B, L]: item_ids int64, score [B, K].

    The user's own items, of the sequences with `repeat`, are candidates too; candidates are distinct. An
    item at several positions is scored at the first one, as `OnlineRankerGraph` scores it.
    """

    table: Tensor

    def __init__(self, ranker: OnlineRanker, table: Tensor, stages: TwoStages, nulls: Nulls) -> None:
        super().__init__()
        self.ranker = no_special_ids(ranker)
        self.register_buffer("table", table)
        self._features, self._nulls = stages.ranking.schema.stage("online"), nulls
        self._state, self._top_k = len(stages.ranking.state), stages.ranking.top_k

    def forward(self, *encoded: Tensor) -> tuple[Tensor, Tensor]:
        *online, candidates, excluded = encoded[self._state :]
        features = as_model_takes(self._features, self._nulls, tuple(online))
        state = offline_state(encoded[: self._state], candidates, self.table)
        query, own, repeat_logits = self.ranker.query(state, features, self.table)
        items = torch.cat([own, candidates], dim=1)
        scores = torch.bmm(self.table[items], query.unsqueeze(2)).squeeze(2) + self.ranker.items.bias[items]
        if own.shape[1]:
            is_own = items.unsqueeze(2) == own.unsqueeze(1)
            weight = torch.where(is_own, torch.exp(repeat_logits).unsqueeze(1), 0.0).sum(dim=2)
            places = torch.arange(items.shape[1], device=items.device)
            again = _any(is_own & (places[: own.shape[1]] < places.unsqueeze(1)))
            scores = (scores + torch.log1p(weight)).masked_fill(again, NOTHING)
        scores = scores.masked_fill(_any(items.unsqueeze(2) == excluded.unsqueeze(1)), NOTHING)
        score, place = torch.topk(scores, self._top_k, dim=1)
        return best_candidates(score, items.gather(1, place))


def _any(found: Tensor) -> Tensor:
    """Reduce [B, C, L] to [B, C]. The ONNX graph of `Tensor.any` would return true if L is 0."""
    return found.sum(dim=2) > 0
