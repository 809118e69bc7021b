"""Errors of a schema in one line: the feature or table, the key, the value seen, and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stage.errors import BadInput

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

LONGEST = 60
"""Maximal number of characters of a value in a message."""

_EXPECTED = {
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_pattern_mismatch": "letters, digits and _ only, a letter first",
    "literal_error": "{expected}",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} at most",
    "too_short": "{min_length} values or more",
    "too_long": "{max_length} values at most",
}
"""Expected values by pydantic's type of error, filled in from the error's context."""


class SchemaError(BadInput):
    """The schema is malformed, or data contradict it; the message names the thing and the remedy."""


def first_error(error: ValidationError, body: object) -> str:
    """Return the first error of `body`: the feature or table, the key, the fault and the remedy."""
    first = error.errors()[0]
    where, value = _place(first, body)
    what = _words(first, value)
    return f"{'.'.join(where)}: {what}" if where else what


def _place(first: ErrorDetails, body: object) -> tuple[list[str], object]:
    """Return the path to the fault, with features by name, and the value there."""
    where: list[str] = []
    path = first["loc"][:-1] if _lacks_a_value(first) else first["loc"]
    for part in path:
        if isinstance(body, Mapping) and part == body.get("kind") and part not in body:
            continue  # pydantic adds the name of the union's member to the path
        if isinstance(body, list | tuple) and isinstance(part, int):
            body = body[part] if part < len(body) else None
            named = body.get("name") if isinstance(body, Mapping) else None
            where.append(repr(named) if named else str(part))
        else:
            body = body.get(part) if isinstance(body, Mapping) else None
            where.append(str(part))
    return where, body


def _lacks_a_value(first: ErrorDetails) -> bool:
    return first["type"] == "missing" and bool(first["loc"]) and isinstance(first["loc"][-1], int)


def _words(first: ErrorDetails, value: object) -> str:
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            return "unknown key, drop it or correct its spelling"
        case "missing" if _lacks_a_value(first):
            return f"seen {_shown(value)}, expected one more value: give all values of the list"
        case "missing":
            return "is missing, add it"
        case "string_too_short":
            return "is empty: give a text, or drop the key"
        case "union_tag_not_found":
            return "has no kind: give kind = one of 'categorical', 'numeric', 'sequence', 'text', 'pretrained'"
        case "union_tag_invalid":
            return f"seen kind {context['tag']!r}, expected one of {context['expected_tags']}: correct it"
        case kind if kind in _EXPECTED:
            seen = _shown(first["input"])
            return f"seen {seen}, expected {_EXPECTED[kind].format_map(context)}: correct it"
        case _:
            return first["msg"].removeprefix("Value error, ")


def _shown(value: object) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
