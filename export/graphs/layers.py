"""Shared parts of all families' served modules: encoded tensors as model inputs, and the top-k of an answer."""

from __future__ import annotations

import torch
from torch import Tensor

from export.data.nulls import Nulls
from preprocessing.schema import PADDING_ID, Feature

NOTHING = float("-inf")
"""The score of an item that is not a candidate."""


def as_model_takes(features: tuple[Feature, ...], nulls: Nulls, encoded: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Return served tensors by feature name; scalars lose the extra dimension of serving, [B, 1] -> [B]."""
    taken = {}
    for feature, tensor in zip(features, encoded, strict=True):
        known = fill_tensor(tensor, nulls[feature.name]) if feature.name in nulls else tensor
        taken[feature.name] = known.squeeze(1) if feature.encoded.form == "scalar" else known
    return taken


def fill_tensor(encoded: Tensor, null: float) -> Tensor:
    """Replace non-finite rows of [B, width] with null."""
    return torch.where(torch.isfinite(encoded).all(dim=1, keepdim=True), encoded, null)


def best_candidates(score: Tensor, item_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return a ranking's item_ids and score, both [B, K]; slots without a candidate are id 0 with score -inf."""
    is_candidate = score > NOTHING
    return torch.where(is_candidate, item_ids, PADDING_ID), torch.where(is_candidate, score, NOTHING)
