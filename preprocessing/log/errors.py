"""What a log is refused with."""

from __future__ import annotations

from stage.errors import BadInput


class LogError(BadInput):
    """The log cannot be used as it is; the message names the column or file, and the remedy."""
