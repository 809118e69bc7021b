"""The error of a log that cannot be used."""

from __future__ import annotations

from stage.errors import BadInput


class LogError(BadInput):
    """The log cannot be used; the message names the column or file, and the remedy."""
