"""Types of command-line arguments, which refuse a value with what was seen and what is expected."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    value = int(text) if text.isascii() and text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected a whole number of at least 1")
    return value


def share(text: str) -> float:
    """Return a share above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected a share above 0 and below 1, such as 0.1")
    return value


def seconds(text: str) -> float:
    """Return a time in seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected seconds above 0")
    return value
