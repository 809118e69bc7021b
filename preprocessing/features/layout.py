"""How the values of a feature lie in a tensor and in a column of a Parquet file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Dtype = Literal["string", "int64", "float32"]
Form = Literal["scalar", "list", "vector"]


@dataclass(frozen=True)
class Layout:
    """The values of a feature, one row of a batch.

    Attributes:
        form: A `scalar` is served as [B, 1], and a model takes it as [B]. A `list` is [B, L], padded at its end. A
            `vector` is [B, dim].
        dtype: Of one value.
        dims: Shape without the batch; -1 is a length that a request chooses.
        longest: The most that the -1 may become.

    """

    form: Form
    dtype: Dtype
    dims: tuple[int, ...] = (1,)
    longest: int | None = None

    @property
    def length(self) -> int:
        """Number of values that a row holds at most."""
        return self.longest or self.dims[0]

    def arrow(self) -> pa.DataType:
        """Return the type of a Parquet column that holds these values, without padding."""
        import pyarrow as pa

        value = {"string": pa.string, "int64": pa.int64, "float32": pa.float32}[self.dtype]()
        return value if self.form == "scalar" else pa.list_(value)


def encoded_list(dtype: Dtype, longest: int) -> Layout:
    """Return the layout of lists that are padded to the longest of them, which is 1 at least."""
    # Lists of at most 1 have a width that is known.
    return Layout("list", dtype, (-1,) if longest > 1 else (1,), longest)
