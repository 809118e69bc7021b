"""The served ranker of a next-item model: from a history to the best K items, or to a popular list without one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.graphs.layers import NOTHING, best_candidates
from export.next_item.plan import NextItemPlan
from export.next_item.popular import PopularLists
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID
from training.families.next_item import NextItemModel


class NextItemGraph(nn.Module):
    """Rank by a history [B, W] and excluded ids [B, E]: item_ids [B, K] int64, score [B, K], best first.

    Special ids and excluded ids are no answers. A row whose history has no item is answered from its popular list, the
    third input [B, 1] if there are several, with purchases as scores. The item table is a constant.
    """

    table: Tensor
    popular_items: Tensor
    popular_score: Tensor
    special: Tensor

    def __init__(self, model: NextItemModel, popular: PopularLists, plan: NextItemPlan) -> None:
        super().__init__()
        self.model = model
        with torch.no_grad():
            self.register_buffer("table", model.catalogue().detach())
        missing = max(0, plan.top_k - popular.items.shape[1])
        items = nn.functional.pad(torch.from_numpy(popular.items), (0, missing), value=PADDING_ID)
        score = nn.functional.pad(torch.from_numpy(popular.purchases), (0, missing))
        lists = slice(None) if plan.contexts else slice(1)
        self.register_buffer("popular_items", items[lists])
        self.register_buffer("popular_score", score[lists])
        self.register_buffer("special", torch.arange(FIRST_KNOWN_ID)[None, :])
        self._top_k = plan.top_k

    def forward(self, *encoded: Tensor) -> tuple[Tensor, Tensor]:
        history, excluded, *popular = encoded
        scores = self.model.encode(history, self.table) @ self.table.T
        nobody = torch.cat([excluded, self.special.expand(excluded.shape[0], -1)], dim=1)
        scores = scores.scatter(1, nobody, NOTHING)
        score, items = torch.topk(scores, self._top_k, dim=1)
        lists = popular[0][:, 0] if popular else history[:, 0] * 0
        listed, purchases = self.popular_items[lists], self.popular_score[lists]
        is_free = scores.gather(1, listed) > NOTHING
        # The first K free places of the list: a place is unique, so there are no ties.
        from_end = torch.arange(listed.shape[1], 0, -1, device=listed.device)
        place, chosen = torch.topk(torch.where(is_free, from_end, 0), self._top_k, dim=1)
        popular_score = torch.where(place > 0, purchases.gather(1, chosen), NOTHING)
        has_item = history[:, :1] >= FIRST_KNOWN_ID
        return best_candidates(
            torch.where(has_item, score, popular_score), torch.where(has_item, items, listed.gather(1, chosen))
        )
