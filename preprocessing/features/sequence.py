"""The kind `sequence`: items of a user or of a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from preprocessing.features.encoder import Encoder
from preprocessing.features.feature import Edges, FeatureBase
from preprocessing.features.frozen import LONGEST
from preprocessing.features.layout import Layout, encoded_list
from preprocessing.features.learned import Learned

if TYPE_CHECKING:
    import pandas as pd


class Sequence(FeatureBase):
    """Item ids of the user as of the moment: oldest (or rarest) first, so the newest (or most frequent) are last.

    `recent`: the last items of earlier sessions. `session`: items of this session so far. `frequent`: the items that
    the user had in most earlier sessions; a session's weight halves every `half_life_days`, if given
    (time-decayed frequency: TIFU-kNN, Hu et al. 2020, section 4.1).
    """

    kind: Literal["sequence"] = Field(description="the kind of feature")
    source: Literal["recent", "session", "frequent"] = Field(
        default="recent",
        description="`recent`: the last items of earlier sessions; `session`: items of this session so far; "
        "`frequent`: items that the user had in most earlier sessions",
    )
    max_length: PositiveInt = Field(default=50, le=LONGEST, description="number of items kept, the last ones")
    half_life_days: float | None = Field(
        default=None,
        gt=0,
        description="for `frequent`: days after which a session counts half; without it all sessions count the same",
    )
    encoder: Encoder = Field(default=Encoder(), description="how the items become one vector")
    repeat: bool = Field(
        default=False,
        description="add a score for taking one of these items again; it pays if users take the same items repeatedly",
    )

    ids: ClassVar[Literal["items"]] = "items"

    @property
    def request(self) -> Layout:
        return Layout("list", "string", (-1,), self.max_length)

    @property
    def encoded(self) -> Layout:
        return encoded_list("int64", self.max_length)

    @property
    def edges(self) -> Edges:
        return Edges(null=[], unknown=["never seen"], extreme=[""])

    @property
    def pooling(self) -> Encoder:
        return self.encoder

    @property
    def parameters(self) -> dict[str, str]:
        return {"kind": self.kind, "max_length": str(self.max_length)}

    def operators(self, items: pd.Series[str], folder: Path, /) -> Any:
        from nvtabular import ops

        vocabulary = items.reset_index(drop=True).rename(self.name)
        newest = [self.name] >> ops.ListSlice(-self.max_length)
        return newest >> ops.Categorify(vocabs={self.name: vocabulary}, out_path=str(folder))

    def workflow_values(self, column: pd.Series[Any]) -> Any:
        import pandas as pd

        return pd.Series([[] if ids is None else [item for item in ids if item] for ids in column], dtype=object)

    def summary(self, _learned: Learned | None, /) -> str:
        return f"up to {self.max_length} items, {self.source}"
