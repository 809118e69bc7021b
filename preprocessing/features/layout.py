"""The layout of a feature's values in a tensor and in a Parquet column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Dtype = Literal["string", "int64", "float32"]
Form = Literal["scalar", "list", "vector"]


@dataclass(frozen=True)
class Layout:
    """The values of a feature in one row of a batch.

    Attributes:
        form: A `scalar` is served as [B, 1], and a model takes it as [B]. A `list` is [B, L], padded at its end. A
            `vector` is [B, dim].
        dtype: Of one value.
        dims: Shape without the batch; -1 is a length chosen by the request.
        longest: The maximum of the -1.

    """

    form: Form
    dtype: Dtype
    dims: tuple[int, ...] = (1,)
    longest: int | None = None

    @property
    def length(self) -> int:
        """The maximal number of values in a row."""
        return self.longest or self.dims[0]

    def arrow(self) -> pa.DataType:
        """Return the type of a Parquet column with these values, without padding."""
        import pyarrow as pa

        value = {"string": pa.string, "int64": pa.int64, "float32": pa.float32}[self.dtype]()
        return value if self.form == "scalar" else pa.list_(value)


def encoded_list(dtype: Dtype, longest: int) -> Layout:
    """Return the layout of lists padded to the longest one, at least to 1."""
    # Lists of at most one value have a known width.
    return Layout("list", dtype, (-1,) if longest > 1 else (1,), longest)
