"""Changes that a command line makes to a schema before it is checked: its columns, clock, files and split."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from preprocessing.log_layout import Columns
from stage.errors import BadInput


class ChangeError(BadInput):
    """A change that names a part that a schema does not have."""


@dataclass(frozen=True)
class Changes:
    """Keys of `[log]` and `[split]` to set, and roles of `[log.columns]` to rename, as "user=NAME,item=NAME"."""

    columns: str = ""
    log: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)

    def of(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain content of a schema with the changes; features of renamed columns are changed too."""
        changed = copy.deepcopy(dict(body))
        if self.columns:
            _rename(changed, _roles(self.columns))
        for table, keys in (("log", self.log), ("split", self.split)):
            if keys:
                changed[table] = {**_table(changed, table), **keys}
        return changed


def _table(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = body.get(name)
    return dict(table) if isinstance(table, Mapping) else {}


def _roles(mapping: str) -> dict[str, str]:
    roles: dict[str, str] = {}
    for part in mapping.split(","):
        role, _, name = (word.strip() for word in part.partition("="))
        if role not in Columns.model_fields or not name:
            raise ChangeError(f"--columns: {part!r} is not ROLE=NAME, the roles are {', '.join(Columns.model_fields)}")
        if role in roles:
            raise ChangeError(f"--columns: {role} is given twice, as {roles[role]!r} and {name!r}: give it once")
        roles[role] = name
    return roles


def _rename(body: dict[str, Any], roles: Mapping[str, str]) -> None:
    log = _table(body, "log")
    columns = _table(log, "columns")
    renamed = {columns[role]: name for role, name in roles.items() if columns.get(role)}
    body["log"] = {**log, "columns": {**columns, **roles}}
    for feature in body.get("features", []):
        if isinstance(feature, dict):
            raw = feature.get("column") or feature.get("name")
            if raw in renamed:
                feature["column"] = renamed[raw]
