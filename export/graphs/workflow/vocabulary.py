"""The vocabulary of a fitted Categorify, with the ids that the operator itself assigns.

The operator is called, not imitated: offsets, `single_table`, `vocabs`, `dtype` and everything else that its answer
depends on are included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from export.errors import RepositoryError, UnsupportedWorkflow
from stage.library_errors import Becomes, first_line, map_errors

Key = str | int | None
Keys = tuple[Key, ...]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Ids by key; a key has one part, or one per column of a combination.

    `ids`: known keys -> id. `unknown`: the id of every other key. `null`: the id of nulls, for a combination of only
    nulls. `kinds`: the numpy type of each part in which the operator compares, `object` for strings.
    """

    ids: Mapping[Keys, int]
    unknown: int
    null: int
    kinds: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """A key that is equal for vocabularies with equal ids."""
        content = (list(self.ids.items()), self.unknown, self.null, self.kinds)
        return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def single(self) -> dict[Key, int]:
        """Return ids by the only part of their keys."""
        return {key: id_ for (key,), id_ in self.ids.items()}


def read_vocabulary(operator: Any, columns: Sequence[str], output: str) -> Vocabulary:
    """Return the ids that a fitted Categorify assigns to `columns` (several: a combination) under the name `output`."""
    import pandas as pd
    from nvtabular import ColumnSelector

    _refuse_buckets(operator, output)
    combined = operator.encode_type == "combo" and len(columns) > 1
    storage = output if operator.encode_type == "combo" else operator.storage_name.get(output, output)
    path = operator.categories[storage]
    names = list(columns) if combined else [storage]

    def unreadable(error: Exception) -> RepositoryError:
        return RepositoryError(f"{path}: cannot be read ({first_line(error)}): run `preprocessing fit` again")

    with map_errors(Becomes((OSError, ValueError), unreadable)):  # pyarrow raises a ValueError for a damaged file
        table = pd.read_parquet(Path(path), columns=names) if path else pd.DataFrame({name: [] for name in names})
    kinds = tuple(_kind(table[name], column) for name, column in zip(names, columns, strict=True))
    keys = list(zip(*(_keys(table[name], kind) for name, kind in zip(names, kinds, strict=True)), strict=True))
    if len(set(keys)) < len(keys):
        raise UnsupportedWorkflow(f"{output}: its vocabulary has a value twice: fit Categorify with each value once")

    nothing = tuple(None if kind == "object" else 0 for kind in kinds)
    strange = tuple(_strange({key[part] for key in keys}, kind) for part, kind in enumerate(kinds))
    asked = [*keys, strange, *([nothing] if set(kinds) == {"object"} else [])]
    frame = pd.DataFrame({name: pd.Series([key[i] for key in asked], dtype=kinds[i]) for i, name in enumerate(columns)})
    selector = ColumnSelector(subgroups=[ColumnSelector(list(columns))]) if combined else ColumnSelector(list(columns))
    found = [int(id_) for id_ in operator.transform(selector, frame)[output]]
    unknown = found[len(keys)]
    return Vocabulary(dict(zip(keys, found[: len(keys)], strict=True)), unknown, found[-1], kinds)


def _refuse_buckets(operator: Any, output: str) -> None:
    buckets = operator.num_buckets
    if isinstance(buckets, Mapping):
        buckets = buckets.get(output)
    if buckets and buckets > 1:
        raise UnsupportedWorkflow(
            f"{output}: Categorify(num_buckets={buckets}) hashes an unknown value with its row's position in the "
            "batch, so the same value gets another id in another row: fit without num_buckets"
        )


def _kind(column: Any, name: str) -> str:
    """Return the column's type; refuse it if it is neither string nor integer."""
    import pandas as pd

    if column.dtype == object and all(isinstance(value, str) for value in column.dropna()):
        return "object"
    if pd.api.types.is_signed_integer_dtype(column.dtype):
        return str(column.dtype)
    if not len(column):
        return "object"
    raise UnsupportedWorkflow(
        f"{name}: Categorify was fitted on {column.dtype} values, only strings and signed integers can be compiled: "
        "fit it on one of these"
    )


def _keys(column: Any, kind: str) -> list[Key]:
    if kind == "object":
        return [value if isinstance(value, str) else None for value in column]
    return [int(value) for value in column]


def _strange(keys: set[Key], kind: str) -> Key:
    """Return a value that is not a key."""
    if kind == "object":
        return "\x00" * (1 + max((len(key) for key in keys if isinstance(key, str)), default=0))
    return next(value for value in range(-1, -3 - len(keys), -1) if value not in keys)
