"""docs/your-own-log.md quotes refusals of the product, and the draft has the features in its curl line."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing.changes import Changes
from preprocessing.draft.draft import draft
from preprocessing.log.read import Source
from preprocessing.schema import load_schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-log.md").read_text(encoding="utf-8")


def test_every_refusal_on_the_page_is_one_of_the_product() -> None:
    files = (ROOT / "preprocessing").rglob("*.py")
    # Literals of one message stand in several lines of the source.
    source = "".join(re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8")) for file in files)
    quoted = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert len(quoted) >= 15
    for message in quoted:
        for piece in message.split(" … "):
            assert piece in source, message


def test_the_features_of_its_request_are_those_of_the_draft(tmp_path: Path) -> None:
    count = np.arange(400)
    time = pd.Timestamp("2024-03-01") + pd.to_timedelta(count * 5, "h")
    log = pd.DataFrame({"user": count % 9, "item": count % 20, "time": time})
    log.to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "mine.toml").write_text(draft(Source(tmp_path / "log.csv"), Changes(), "mine"), encoding="utf-8")
    schema = load_schema(tmp_path / "mine.toml")
    assert re.findall(r'\{"name": "(\w+)"', PAGE) == [feature.name for feature in schema.request_features]
