"""The feature schema: one TOML file defines the features, and every later stage follows it.

`load_schema` reads the TOML file; `preprocessing fit` adds what was learned (`FittedSchema`) and writes
`schema.json`, which every later stage reads with `read_fitted`. To add a feature, add a `[[features]]` table.

Ids follow NVTabular 23.08's Categorify: 0 padding, 1 null, 2 out of vocabulary, 3... known, most frequent first.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

from pydantic import ConfigDict, Field, PositiveInt, ValidationError

from preprocessing.changes import Changes
from preprocessing.declared import Schema, parse_schema
from preprocessing.features import (
    Categorical,
    Encoder,
    Feature,
    Frozen,
    Numeric,
    Pretrained,
    Sequence,
    Text,
    is_column,
)
from preprocessing.features.feature import UNKNOWN_TEXT
from preprocessing.features.layout import Layout, encoded_list
from preprocessing.features.learned import FIRST_KNOWN_ID, NULL_ID, PADDING_ID, UNKNOWN_ID, Learned
from preprocessing.schema_errors import SchemaError, first_error

__all__ = [
    "FIRST_KNOWN_ID",
    "NULL_ID",
    "PADDING_ID",
    "UNKNOWN_ID",
    "UNKNOWN_TEXT",
    "Categorical",
    "Encoder",
    "Feature",
    "FittedSchema",
    "Layout",
    "Learned",
    "Numeric",
    "Pretrained",
    "Schema",
    "SchemaError",
    "Sequence",
    "Text",
    "encoded_list",
    "is_column",
    "load_schema",
    "read_fitted",
    "require_same_digest",
]

SCHEMA_FOLDER = Path(__file__).parent / "schemas"


class FittedSchema(Frozen):
    """A schema with what was learned from the train period; `digest` identifies this fit."""

    schema_: Schema = Field(alias="schema")
    learned: dict[str, Learned]
    items: PositiveInt = Field(description="number of item ids, special ids included")
    boundaries: dict[str, str] = Field(
        default={}, description="first local time, or position in the order, of validation and test"
    )
    vocabularies: dict[str, str] = Field(default={}, description="SHA-256 of each vocabulary, in the order of its ids")
    digest: str = ""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    def sealed(self) -> FittedSchema:
        return self.model_copy(update={"digest": self._digest()})

    def _digest(self) -> str:
        body = self.model_dump(mode="json", by_alias=True, exclude={"digest"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]

    def cardinality(self, feature: str) -> int:
        """Return the number of a feature's ids, special ids included; for a sequence that of the items."""
        of_items = [each.name for each in self.schema_.features if each.ids == "items"]
        if feature in (self.schema_.item_id.name, *of_items):
            return self.items
        value = self.learned.get(feature, Learned()).cardinality
        if value is None:
            raise SchemaError(f"{feature}: has no ids, because it is not categorical")
        return value


def schema_path(name_or_path: str | Path) -> Path:
    """Return the TOML file of a shipped schema by name, or the path itself."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path
    shipped = SCHEMA_FOLDER / f"{name_or_path}.toml"
    if not shipped.is_file():
        names = sorted(file.stem for file in SCHEMA_FOLDER.glob("*.toml"))
        raise SchemaError(f"no schema {str(name_or_path)!r}: give a .toml file or one of {', '.join(names)}")
    return shipped


def load_schema(name_or_path: str | Path, changes: Changes | None = None) -> Schema:
    """Read a schema by shipped name or by the path of its TOML file, and apply `changes` before it is checked."""
    path = schema_path(name_or_path)
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        return parse_schema(changes.of(body) if changes else body, path.name)
    except OSError as error:
        raise SchemaError(f"{path}: {error.strerror}, give the path of a .toml file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path.name}: is not TOML ({error}), correct it") from None


def read_fitted(folder: str | Path) -> FittedSchema:
    """Read `schema.json` of a stage's output folder and check its digest."""
    path = Path(folder) / "schema.json"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        fitted = FittedSchema.model_validate(body)
    except (FileNotFoundError, NotADirectoryError):
        raise SchemaError(f"no schema.json in {folder}: give the output folder of an earlier stage") from None
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        raise SchemaError(f"{path}: {first_error(error, body)}; run the fit again") from None
    except ValueError as error:
        raise SchemaError(f"{path}: is not JSON ({error}), run the fit again") from None
    if fitted.digest != fitted._digest():
        raise SchemaError(
            f"{path}: digest {fitted.digest} does not match the content: the file was edited, run the fit again"
        )
    return fitted


def require_same_digest(expected: FittedSchema, seen: FittedSchema, what: str) -> None:
    """Refuse to combine outputs of two stages that come from different fits."""
    if expected.digest != seen.digest:
        raise SchemaError(
            f"{what} was made with schema digest {seen.digest}, the data has {expected.digest}: "
            "use the folders of one fit, or run the later stage again"
        )
