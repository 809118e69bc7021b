"""The client that a command's options describe."""

from __future__ import annotations

import argparse

from client.recommend_client import RecommendClient


def connect(options: argparse.Namespace, model: str) -> RecommendClient:
    """Return a client of `model` at the command's --url, with its --timeout and --retries."""
    return RecommendClient(options.url, model, timeout_s=options.timeout, retries=options.retries)
