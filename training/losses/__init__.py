"""Losses as pure functions of tensors."""

from training.losses.next_item import NextItemLoss
from training.losses.sampled import Correction, sampled_softmax
from training.losses.whole_catalogue import softmax_cross_entropy

__all__ = ["Correction", "NextItemLoss", "sampled_softmax", "softmax_cross_entropy"]
