"""A protocol: one TOML file of this folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from preprocessing.changes import Changes
from preprocessing.schema import Schema, load_schema
from stage.errors import BadInput
from training import families
from training.families.config import FamilyConfig
from training.settings import TrainingSettings

FOLDER = Path(__file__).parent
SEEN = "exclude_seen"
"""The field of a config of histories that masks the items of a history."""
Some = Annotated[str, Field(min_length=1)]


class ProtocolError(BadInput):
    """There is no such protocol, or a flag does not fit it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Reference(_Frozen):
    """A published figure, of the first split and the first `exclude_seen`."""

    name: Some
    source: Some
    metrics: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(min_length=1)


class Protocol(_Frozen):
    """What is measured, and on what.

    Attributes:
        title: The heading of the table.
        about: The protocol in words: data, targets, filters, deviations from the published one.
        source: The default of --source.
        schema_name: A shipped schema.
        splits: By name, the keys of the schema's `[split]`; the first is the published one.
        exclude_seen: Whether items of the history are left out of answers; the first is the published way. A model is
            trained once and evaluated in each way.
        metrics: Name in the published tables -> metric of ours.
        families: Flags of `training fit` by family; the first family is the default.
        references: The published figures.
        missing: The reason why a usual split is absent.

    """

    title: Some
    about: Some
    source: Some
    schema_name: Some = Field(alias="schema")
    splits: dict[str, dict[str, Any]] = Field(min_length=1)
    exclude_seen: tuple[bool, ...] = Field(min_length=1, max_length=2)
    metrics: dict[str, Annotated[str, Field(pattern=r"^(ndcg|recall|precision|map|mrr|hit_rate)@[1-9]\d*$")]] = Field(
        min_length=1
    )
    families: dict[str, dict[str, Any]] = Field(min_length=1)
    references: tuple[Reference, ...] = ()
    missing: str = ""

    def schema_of(self, split: str) -> Schema:
        """Return the schema with one of `splits`."""
        return load_schema(self.schema_name, Changes(split=self.splits[split]))

    @property
    def ks(self) -> tuple[int, ...]:
        """The cut-offs of the metrics."""
        return tuple(sorted({int(metric.partition("@")[2]) for metric in self.metrics.values()}))

    def own(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return the protocol's metrics by their published names."""
        return {name: found[metric] for name, metric in self.metrics.items()}


def names() -> list[str]:
    """Return the names of the protocols."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_protocol(name: str) -> Protocol:
    """Read the protocol `name` of this folder; raise `ProtocolError` if there is none or it is malformed."""
    if name not in names():
        raise ProtocolError(f"no protocol {name!r}: give one of {', '.join(names())}")
    try:
        protocol = Protocol.model_validate(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise ProtocolError(f"{name}.toml: {'.'.join(map(str, first['loc']))}: {first['msg']}, correct it") from None
    unknown = {metric for each in protocol.references for metric in each.metrics} - set(protocol.metrics)
    if unknown:
        raise ProtocolError(f"{name}.toml: a reference has {sorted(unknown)}, which [metrics] does not name")
    return protocol


def flags_of(protocol: Protocol, family: str, changes: Mapping[str, Any]) -> tuple[FamilyConfig, TrainingSettings]:
    """Return sizes and settings of a family: its own defaults, then the protocol's flags, then `changes`.

    Raises:
        ProtocolError: A flag is unknown to the family, or its value is out of range.

    """
    found = families.find(family)
    given = {**protocol.families.get(family, {}), **changes}
    config, settings = found.config.model_fields, found.settings.model_fields
    for key in given:
        if key not in config and key not in settings:
            known = ", ".join(key for key in (*config, *settings) if key not in ("family", "seed"))
            raise ProtocolError(f"{key}: is not a flag of {family}, the flags are {known}")
    if SEEN in config:
        given.setdefault(SEEN, protocol.exclude_seen[0])
    try:
        return (
            found.config.model_validate({key: value for key, value in given.items() if key in config}),
            found.settings.model_validate({key: value for key, value in given.items() if key in settings}),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or family
        raise ProtocolError(f"{where}: {first['msg']}, seen {first['input']!r}") from None
