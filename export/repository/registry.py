"""Models from MLflow's registry: `models:/NAME@ALIAS` or `models:/NAME/VERSION` as a folder of `training fit`."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.errors import RegistryError
from stage.mlflow_store import Store, error_code, open_store, told

SCHEME = "models:/"
_URI = re.compile(r"models:/(?P<name>[^/:@]+)(?:@(?P<alias>[\w-]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class RegisteredModel:
    """A version in the registry, as described in verify.json, with the requested alias and its run."""

    name: str
    version: str
    alias: str | None
    run: str

    @property
    def uri(self) -> str:
        return f"{SCHEME}{self.name}/{self.version}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def model_folder(model: str, tracking_uri: str | None = None) -> Iterator[tuple[Path, RegisteredModel | None]]:
    """Yield the folder of `model`: itself, or a registered version, downloaded and removed when the block ends.

    Raises:
        RegistryError: The registry has no such model, alias or version, or it is not a model of `training fit`.
        StoreError: The store does not answer.

    """
    if not model.startswith(SCHEME):
        if tracking_uri is not None:
            raise RegistryError(
                f"--tracking-uri is for a registered model: give --model {SCHEME}NAME@ALIAS, not {model}"
            )
        yield Path(model), None
        return
    asked = _URI.fullmatch(model)
    if asked is None:
        raise RegistryError(f"--model {model}: give {SCHEME}NAME@ALIAS or {SCHEME}NAME/VERSION")
    store = open_store(tracking_uri)
    with tempfile.TemporaryDirectory(prefix="naiad-model-") as scratch:
        with told(store.uri, f"{model} could not be read, give a store that contains it"):
            found = _version(store, model, **asked.groupdict())
            folder = _download(store, found, Path(scratch))
        if not (folder / "model.json").is_file():
            raise RegistryError(f"{model} in {store.shown}: is not a model that `training fit --register` wrote")
        yield folder, found


def _version(store: Store, model: str, name: str, alias: str | None, version: str | None) -> RegisteredModel:
    client = store.client
    try:
        found = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, version)
    except Exception as error:
        if error_code(error) not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RegistryError(f"--model {model}: not in {store.shown}, {_what_there_is(store, name)}") from None
    return RegisteredModel(name, str(found.version), alias, found.run_id or "")


def _what_there_is(store: Store, name: str) -> str:
    """Return what could be given instead."""
    models = {model.name: model for model in store.client.search_registered_models()}
    if name not in models:
        return (
            f"which has {', '.join(sorted(models))}" if models else "which has no model: `training fit --register NAME`"
        )
    versions = sorted(int(each.version) for each in store.client.search_model_versions(f"name = '{name}'"))
    aliases = sorted(store.client.get_registered_model(name).aliases)
    numbers = f"versions {', '.join(map(str, versions[-5:]))}" if versions else "no version"
    return f"where {name} has {numbers} and {'the aliases ' + ', '.join(aliases) if aliases else 'no alias'}"


def _download(store: Store, found: RegisteredModel, scratch: Path) -> Path:
    from mlflow.artifacts import download_artifacts
    from rich.console import Console

    source = store.client.get_model_version_download_uri(found.name, found.version)
    with Console(stderr=True).status(f"download {found.name} version {found.version}"):
        return Path(download_artifacts(artifact_uri=source, dst_path=str(scratch), tracking_uri=store.uri))
