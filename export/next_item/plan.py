"""The plan and configs of a next-item repository.

    next_item         history_ids -> RANKER -> decode_next_item
    next_item_fused   the same as one graph
    similar_items     an item -> the nearest items by the cosine of the trained table

RANKER has the name of the family. `history_ids` handles strings and ids: it skips unknown ids and padding wherever they
stand, keeps the newest items, aligns them left, and decides the reason. A request has `history` [B, L] of raw ids,
oldest first, `exclude` [B, E] of raw ids that must not be returned, and a context [B, 1] per feature with popular lists
of its own; "" is padding in a list, and null as a context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from export.triton.config import ModelConfig
from export.triton.ensembles import as_backend_takes, ensemble, member, served_chains
from export.triton.plan import BACKENDS, Plan
from export.triton.tensors import ENCODED, ITEM_ID, SCORE, Tensor

NEXT_ITEM, NEXT_ITEM_FUSED = "next_item", "next_item_fused"
HISTORY_IDS, DECODE_NEXT_ITEM, SIMILAR_ITEMS = "history_ids", "decode_next_item", "similar_items"

HISTORY, EXCLUDE = Tensor("history", "string", (-1,)), Tensor("exclude", "string", (-1,))
EXCLUDED = Tensor(EXCLUDE.name + ENCODED, "int64", (-1,))
POPULAR = Tensor("popular" + ENCODED, "int64", (1,))
REASON_CODE = Tensor("reason_code", "int64", (1,))
REASON, KNOWN = Tensor("reason", "string", (1,)), Tensor("known", "float32", (1,))
ITEM = Tensor("item", "string", (1,))

MODEL, EMPTY, NO_KNOWN = "model", "empty history", "no known item"
SIMILAR_REASONS = (MODEL, "unknown item")


@dataclass(frozen=True)
class NextItemPlan(Plan):
    """`max_length`: the number of newest items that the model reads. `contexts`: features with popular lists.

    `exclude_seen`: whether the items of the whole history are no answers.
    """

    family: ClassVar[str]

    max_length: int = 50
    contexts: tuple[str, ...] = ()

    @property
    def context_tensors(self) -> tuple[Tensor, ...]:
        return tuple(Tensor(name, "string", (1,)) for name in self.contexts)

    @property
    def request(self) -> tuple[Tensor, ...]:
        return (HISTORY, EXCLUDE, *self.context_tensors)

    @property
    def encoded(self) -> tuple[Tensor, ...]:
        """The inputs of the ranker; the popular list of a row only if there are several."""
        history = Tensor(HISTORY.name + ENCODED, "int64", (-1,), self.max_length)
        return (history, EXCLUDED, *((POPULAR,) if self.contexts else ()))

    @property
    def answer(self) -> tuple[Tensor, ...]:
        return (*super().answer, REASON, KNOWN)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason of every code: the model, or two per kind of popular list, see `popular_reason`."""
        lists = ("popular", *(f"popular by {name}" for name in self.contexts))
        return (MODEL, *(f"{each}: {why}" for each in lists for why in (EMPTY, NO_KNOWN)))


@dataclass(frozen=True)
class HistoryChain:
    """The model of a repository that answers histories, with its contexts and its number of items per answer."""

    name: str
    contexts: tuple[str, ...]
    top_k: int


def history_chain(plan: NextItemPlan) -> HistoryChain:
    """Return the fastest model that answers histories."""
    *_, fastest = served_chains(plan, NEXT_ITEM, fused=NEXT_ITEM_FUSED)
    return HistoryChain(fastest, plan.contexts, plan.top_k)


def configs(plan: NextItemPlan) -> tuple[ModelConfig, ...]:
    """Return one config per model: the chain, `similar_items`, the fused graph and the ensemble."""
    ids = member(plan, HISTORY_IDS, "onnxruntime", plan.request, (*plan.encoded, REASON_CODE, KNOWN))
    ranker = member(plan, plan.family, BACKENDS[plan.format], plan.encoded, plan.ranking)
    decode = member(plan, DECODE_NEXT_ITEM, "onnxruntime", (plan.ranking[0], REASON_CODE), (plan.answer[0], REASON))
    chain = (ids, ranker, decode)
    beside = (
        member(plan, SIMILAR_ITEMS, "onnxruntime", (ITEM,), similar_answer(plan)),
        *([member(plan, NEXT_ITEM_FUSED, "onnxruntime", plan.request, plan.answer)] if plan.fused else []),
    )
    return (*map(as_backend_takes, (*chain, *beside)), ensemble(plan, NEXT_ITEM, plan.request, chain))


def similar_answer(plan: NextItemPlan) -> tuple[Tensor, ...]:
    """Return the outputs of `similar_items`."""
    return (Tensor(ITEM_ID, "string", (plan.top_k,)), Tensor(SCORE, "float32", (plan.top_k,)), REASON)
