"""A common form of offline states: an encoder's repeats have padding anywhere, a store's only at the end."""

from __future__ import annotations

import numpy as np

from export.data.golden import Arrays
from preprocessing.schema import PADDING_ID


def packed(one: Arrays, other: Arrays) -> tuple[Arrays, Arrays]:
    """Return both states with their repeats moved left, [B, R], in a width for both."""
    if "repeat_items" not in one:
        return one, other
    width = max(int((each["repeat_items"] != PADDING_ID).sum(axis=1).max(initial=0)) for each in (one, other))
    return _moved_left(one, width), _moved_left(other, width)


def _moved_left(state: Arrays, width: int) -> Arrays:
    hidden = state["repeat_items"] == PADDING_ID
    order = np.argsort(hidden, axis=1, kind="stable")[:, :width]
    filled = ~np.take_along_axis(hidden, order, axis=1)
    items, logits = (np.take_along_axis(state[name], order, axis=1) for name in ("repeat_items", "repeat_logits"))
    return {**state, "repeat_items": items * filled, "repeat_logits": logits * filled}
