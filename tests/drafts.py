"""Drafts of small logs that a test writes."""

from pathlib import Path
from typing import Any

import pandas as pd

from preprocessing.changes import Changes
from preprocessing.draft.draft import draft
from preprocessing.log.read import Source
from preprocessing.schema import Schema, load_schema

DAYS = pd.date_range("2024-01-01", periods=120, freq="D").strftime("%Y-%m-%d").to_numpy()


def drafted(source: Source, changes: Changes | None = None) -> tuple[str, Schema]:
    """Return the draft's text and the schema that it is, read from a file."""
    assert source.log is not None
    text = draft(source, changes or Changes(), "drafted")
    path = Path(source.log).parent / "drafted.toml"
    path.write_text(text, encoding="utf-8")
    return text, load_schema(path)


def csv(path: Path, text: str) -> Source:
    path.write_text(text, encoding="utf-8")
    return Source(path)


def rows_of(**columns: Any) -> str:
    return pd.DataFrame(columns).to_csv(index=False)
