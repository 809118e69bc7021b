"""The models that a schema is made of."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

LONGEST = 4096
"""Bound of every length: more is a slip of the keys, and a tensor of it fits no memory."""


class Frozen(BaseModel):
    """A frozen part of the schema; a key of `added_later` is written only where it is not the default.

    So a schema that does not use the key keeps the digest that it had before there was one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    added_later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = dump(self)
        fields = type(self).model_fields
        unused = [name for name in self.added_later if getattr(self, name) == fields[name].default]
        return {name: value for name, value in body.items() if name not in unused}
