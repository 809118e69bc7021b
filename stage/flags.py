"""Command-line flags from the fields of a pydantic model, and the model from parsed arguments.

    batch_size: int = Field(256, ge=1, description="rows per step")  ->  --batch-size N   rows per step (default 256)

A field's description is the flag's help. A field may be a bool (`--x`, `--no-x`), an int, a float, a string, a path or
a `Literal`, each of them or None; the description says what None means, because its default is not shown.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stage.errors import BadInput

ModelT = TypeVar("ModelT", bound=BaseModel)


class FlagError(BadInput):
    """The value of a flag is outside of the range of its field."""


def add_flags(
    parser: argparse._ActionsContainer,
    model_type: type[BaseModel],
    *,
    skip: Collection[str] = (),
    unset: bool = False,
) -> tuple[str, ...]:
    """Add a flag for every field of `model_type` that is not in `skip`; return the names of these fields.

    unset: leave flags that are not given out of the namespace; the help still shows the field's default.
    """
    names = tuple(name for name in model_type.model_fields if name not in skip)
    for name in names:
        _add_flag(parser, name, model_type.model_fields[name], unset)
    return names


def read_flags(arguments: argparse.Namespace, model_type: type[ModelT]) -> ModelT:
    """Return the model from the arguments with the names of its fields; other fields keep their default.

    Raises:
        FlagError: A value is out of range; the line names the flag.

    """
    return read_values(vars(arguments), model_type)


def read_values(given: Mapping[str, Any], model_type: type[ModelT]) -> ModelT:
    """Return the model from the values with the names of its fields; raise as `read_flags` does."""
    try:
        return model_type.model_validate({name: given[name] for name in model_type.model_fields if name in given})
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise FlagError(message) from None
        raise FlagError(f"{flag(str(first['loc'][0]))}: {message}, seen {first['input']}") from None


def flag(name: str) -> str:
    """Return the flag of a field: `--batch-size` of `batch_size`."""
    return "--" + name.replace("_", "-")


def _add_flag(parser: argparse._ActionsContainer, name: str, field: FieldInfo, unset: bool) -> None:
    default, kind = field.get_default(call_default_factory=True), _kind(field.annotation)
    words = (field.description or "").replace("%", "%%")
    if default is not None:
        shown = ("on" if default else "off") if isinstance(default, bool) else default
        words = f"{words} (default {shown})"
    shared: dict[str, Any] = {"default": argparse.SUPPRESS if unset else default, "help": words}
    if kind is bool:
        parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, **shared)
    elif get_origin(kind) is Literal:
        choices = get_args(kind)
        parser.add_argument(flag(name), choices=choices, type=_PARSERS[type(choices[0])], **shared)
    else:
        metavar = name.rpartition("_")[2].upper() if kind in (str, Path) else "N"
        parser.add_argument(flag(name), type=_PARSERS[kind], metavar=metavar, **shared)


def _kind(annotation: Any) -> Any:
    """Return the type of a field without None and constraints."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        (kind,) = (each for each in get_args(annotation) if each is not NoneType)
        return _kind(kind)
    return annotation


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,100}", text):
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected a number") from None


_PARSERS: dict[Any, Callable[[str], Any]] = {int: _whole, float: _number, str: str, Path: Path}
