"""Plans in verify.json: without the schema, which is in schema.json, and without the plans that they join."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from export.errors import EXPORT_AGAIN, RepositoryError
from export.triton.plan import Plan
from preprocessing.schema import FittedSchema

AnyPlan = TypeVar("AnyPlan")
Plans = Mapping[str, Any]
"""By family."""


def plan_as_json(plan: Any) -> dict[str, Any]:
    """Return the plan's own fields as JSON."""
    left_out = {"schema", "digest", *_joined(type(plan))}
    return {field.name: getattr(plan, field.name) for field in fields(plan) if field.name not in left_out}


def read_plan(kind: type[AnyPlan], body: Mapping[str, Any], fitted: FittedSchema, plans: Plans, what: str) -> AnyPlan:
    """Return a plan that `plan_as_json` wrote; `plans` are those that it may join; `what` is its name in an error."""
    known: dict[str, Any] = {"schema": fitted.schema_, "digest": fitted.digest}
    joined = _joined(kind)
    if absent := [family for family in joined.values() if family not in plans]:
        raise RepositoryError(f"{what}: joins {absent[0]}, whose section is missing before it: {EXPORT_AGAIN}")
    known |= {name: plans[family] for name, family in joined.items()}
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    given = {name: value for name, value in {**body, **known}.items() if name in names}
    if missing := sorted(names - given.keys()):
        raise RepositoryError(f"{what}: its plan lacks {missing[0]}: {EXPORT_AGAIN}")
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise RepositoryError(f"{what}: {'.'.join(map(str, first['loc']))}: {first['msg']}: {EXPORT_AGAIN}") from None


def joined_plans(plan: Any) -> dict[str, Any]:
    """Return the plans that a plan joins, by family."""
    return {family: getattr(plan, name) for name, family in _joined(type(plan)).items()}


def with_plans(plan: AnyPlan, plans: Plans) -> AnyPlan:
    """Return the plan with the joined plans replaced by those in `plans`."""
    joined = {name: plans[family] for name, family in _joined(type(plan)).items()}
    return replace(plan, **joined) if joined else plan  # type: ignore[type-var]


def _joined(kind: type[Any]) -> dict[str, str]:
    """Return the fields of a plan that are plans of other families, with these families."""
    hints = get_type_hints(kind)
    kinds = {field.name: hints[field.name] for field in fields(kind)}
    return {name: each.family for name, each in kinds.items() if isinstance(each, type) and issubclass(each, Plan)}
