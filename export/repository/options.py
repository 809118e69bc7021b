"""The options of an export that all families share."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from export.triton.plan import Format
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class RepositoryOptions(BaseModel):
    """A field's description is its help on the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format = Field(default="onnx", description="format of the graphs, which is also the verified one")
    top_k: Count = Field(default=100, description='number of items in an answer; empty slots have "" with score -inf')
    max_batch_size: Count = Field(default=64, description="maximal number of rows in a batch")
    exclude_seen: bool = Field(default=True, description="exclude the items of the schema's `exclude` sequences")
    reference_path: bool = Field(
        default=True,
        description="serve NVTabular too, as a second ensemble; without this, the server does not need NVTabular",
    )


def cut_to_catalogue(flag: str, wanted: int, fitted: FittedSchema, holds: str) -> int:
    """Return `wanted` items, or as many as there are, with a line on stderr about it."""
    items = fitted.items - FIRST_KNOWN_ID
    if wanted > items:
        print(f"naiad: {flag} {wanted}: the catalogue has {items} items: {holds} {items}", file=sys.stderr)
    return min(wanted, items)
