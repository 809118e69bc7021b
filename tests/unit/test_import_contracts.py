"""The import contracts of pyproject.toml deny by name: each list holds every module of the folder but the allowed."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]

# The schema, with the modules that it is made of; the workflow, with what starts NVTabular.
SCHEMA = {"schema", "changes", "declared", "features", "log_layout", "schema_errors", "tensor_names"}
WORKFLOW = {"workflow", "nvtabular_engine"}
# The history of embeddings, with the modules that it is made of.
HISTORY = {"history", "partition", "address", "errors", "statements", "dialects", "session"}
HISTORY |= {"duckdb_session", "postgres_session", "bigquery_session"}


@pytest.mark.parametrize(
    ("package", "of", "allowed"),
    [
        ("training", "preprocessing", SCHEMA),
        ("export", "preprocessing", SCHEMA | WORKFLOW),
        ("export", "training", {"families", "layers", "checkpoint", "step"}),
        ("export", "warehouse", HISTORY),
    ],
)
def test_every_module_that_is_not_allowed_is_denied(package: str, of: str, allowed: set[str]) -> None:
    present = {path.stem for path in (ROOT / of).glob("*.py")} - {"__init__"}
    present |= {path.parent.name for path in (ROOT / of).glob("*/__init__.py")}
    (denied,) = [each["forbidden_modules"] for each in CONTRACTS if each.get("source_modules") == [package]]
    assert sorted(name for name in denied if name.startswith(f"{of}.")) == sorted(
        f"{of}.{name}" for name in present - allowed
    )
    assert allowed <= present
