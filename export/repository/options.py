"""How a repository is exported, whatever its family: the flags that all of them share."""

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

    format: Format = Field(default="onnx", description="of the graphs; it is the one verified")
    top_k: Count = Field(
        default=100, description='items in an answer; slots that no item fills hold "" with score -inf'
    )
    max_batch_size: Count = Field(default=64, description="rows in a batch")
    exclude_seen: bool = Field(default=True, description="mask the items of the schema's `exclude` sequences")
    reference_path: bool = Field(
        default=True,
        description="serve NVTabular too, as a second ensemble; without it, the server needs none of it",
    )


def cut_to_catalogue(flag: str, wanted: int, fitted: FittedSchema, holds: str) -> int:
    """Return `wanted` items, or as many as there are, with a line on stderr that says so."""
    items = fitted.items - FIRST_KNOWN_ID
    if wanted > items:
        print(f"naiad: {flag} {wanted}: the catalogue holds {items} items: {holds} {items}", file=sys.stderr)
    return min(wanted, items)
