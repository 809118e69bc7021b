"""Losses as pure functions of tensors."""

from training.losses.sampled import Correction, sampled_softmax
from training.losses.whole_catalogue import softmax_cross_entropy

__all__ = ["Correction", "sampled_softmax", "softmax_cross_entropy"]
