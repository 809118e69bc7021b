"""The mask over scores of items that must not be recommended."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from preprocessing.schema import FIRST_KNOWN_ID


def exclude_items(scores: Tensor, sequences: Sequence[Tensor], value: float) -> Tensor:
    """Return scores [B, I] with `value` at every special id and at every id in the sequences, each [B, L]."""
    return exclude_items_in_place(scores.clone(), sequences, value)


def exclude_items_in_place(scores: Tensor, sequences: Sequence[Tensor], value: float) -> Tensor:
    """Overwrite `scores` as `exclude_items` does, without a copy, and return them."""
    scores[:, :FIRST_KNOWN_ID] = value
    for ids in sequences:
        scores.scatter_(1, ids, value)
    return scores
