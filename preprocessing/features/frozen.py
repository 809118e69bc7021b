"""The base of the frozen models of a schema."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

LONGEST = 4096
"""Upper bound of every length: a larger one is a typing error, and its tensors would not fit in memory."""


class Frozen(BaseModel):
    """A frozen part of the schema; keys in `added_later` are written only if they differ from their default.

    A schema that does not use such a key therefore keeps the digest that it had before the key was added.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    added_later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = dump(self)
        fields = type(self).model_fields
        unused = [name for name in self.added_later if getattr(self, name) == fields[name].default]
        return {name: value for name, value in body.items() if name not in unused}
