"""Padded arrays of lists with different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def pad(values: Array, lengths: Array, width: int = -1) -> NDArray[np.int64]:
    """Return N lists as rows padded right with 0, [N, width].

    Args:
        values: [T] int64, the concatenated lists.
        lengths: [N], the length of each list, with the sum T.
        width: At least the longest length; -1 means the longest length, at least 1.

    """
    padded = np.zeros((len(lengths), max(1, int(lengths.max(initial=0))) if width == -1 else width), dtype=np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = values
    return padded


def pad_lists(lists: Sequence[Array], width: int = -1) -> NDArray[np.int64]:
    """Return N arrays of ids as rows padded right with 0, [N, width]; see `pad`."""
    flat = np.concatenate(lists) if len(lists) else np.empty(0, dtype=np.int64)
    return pad(flat, np.array([len(each) for each in lists], dtype=np.int64), width)
