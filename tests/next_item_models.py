"""What the tests of next-item models share: histories, and their vectors from both ways of the model."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Array = npt.NDArray[np.float64]


def histories(items: int, *lengths: int) -> Tensor:
    """Rows of random items with the given lengths, [B, longest] int64, padded right with 0; items may repeat."""
    torch.manual_seed(3)
    rows = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = torch.randint(3, items, (length,))
    return rows


def prefixes(rows: Tensor) -> list[Tensor]:
    """Every prefix with a next item, [1, L] each, in the order of `training_pairs`."""
    return [row[None, :end] for row in rows for end in range(1, int((row > 0).sum()))]


def weights(model: nn.Module) -> dict[str, Array]:
    """The parameters by name, float64."""
    return {name: value.detach().double().numpy() for name, value in model.named_parameters()}


def softmax(logits: Any) -> Array:
    powers = np.exp(np.asarray(logits) - np.max(logits))
    result: Array = powers / powers.sum()
    return result
