"""The only module that imports MLflow; it silences MLflow and fails fast if the store does not answer."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stage.errors import BadInput
from stage.library_errors import Becomes, first_line, map_errors

DEFAULT_URI = "sqlite:///runs/mlflow.db"
ARTIFACTS = "mlflow-artifacts"
URI_HELP = f"MLflow's store: sqlite:///FILE or http://HOST:PORT (default $MLFLOW_TRACKING_URI, or {DEFAULT_URI})"

# MLflow's default of seven tries with doubled waits would delay a run by minutes.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
_PROBE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class StoreError(BadInput):
    """The MLflow store cannot be reached, or does not have what is requested."""


@dataclass(frozen=True)
class Store:
    """A reachable store; `client` is MLflow's `MlflowClient`, for its runs and its model registry."""

    uri: str
    client: Any

    @property
    def shown(self) -> str:
        return without_password(self.uri)

    @property
    def artifacts(self) -> str | None:
        """The folder for artifacts of a SQLite file, next to it; a server has its own."""
        file = _sqlite_file(self.uri)
        return None if file is None else (file.resolve().parent / ARTIFACTS).as_uri()


def open_store(given: str | None, create: bool = False) -> Store:
    """Connect to the store at `given`, by default the one of the environment, else `DEFAULT_URI`.

    Raises:
        StoreError: MLflow is not installed, the URI is invalid, the file is missing and `create` is false, or
            the store does not answer.

    """
    uri = given or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if find_spec("mlflow") is None:
        way = ", or go without (--no-tracking)" if create else ""
        raise StoreError(f"MLflow is not installed: install naiad's extra `tracking`{way}")
    if "://" not in uri and uri != "databricks":
        raise StoreError(f"--tracking-uri {uri}: is not a URI, give sqlite:///FILE or http://HOST:PORT")
    file = _sqlite_file(uri)
    if file is not None and not file.is_file():
        if not create:
            raise StoreError(f"--tracking-uri {uri}: no such file, give the store that `training fit` logged to")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"--tracking-uri {uri}: cannot be written ({error.strerror}), give another file") from None
    remedy = f"give a store that answers{', or --no-tracking' if create else ''}"
    with told(uri, remedy), warnings.catch_warnings(), _environment(_PROBE):
        warnings.simplefilter("ignore")
        client = _quiet_client(uri)
        client.search_experiments(max_results=1)
    return Store(uri, client)


def store_paths(given: str | None) -> tuple[Path, ...]:
    """Return the local files and folders in which the store of `open_store(given)` keeps its runs."""
    uri = given or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if file := _sqlite_file(uri):
        return file, file.resolve().parent / ARTIFACTS
    parts = urlsplit(uri)
    return (Path(unquote(parts.path)),) if parts.scheme == "file" else ()


def told(uri: str, remedy: str) -> AbstractContextManager[None]:
    """Return a block in which every error of a store becomes `StoreError`.

    The errors of MLflow, its database and HTTP have no common root.
    """
    return map_errors(
        Becomes(Exception, lambda error: StoreError(f"{without_password(uri)}: {first_line(error)}: {remedy}"))
    )


def without_password(uri: str) -> str:
    """Return the URI without its password, to show and store it."""
    host = urlsplit(uri).netloc
    return uri.replace(host, host.rpartition("@")[2], 1) if "@" in host else uri


def error_code(error: Exception) -> str:
    """Return MLflow's error code, such as RESOURCE_DOES_NOT_EXIST."""
    return str(getattr(error, "error_code", ""))


def _quiet_client(uri: str) -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for noisy in ("mlflow", "alembic", "urllib3"):  # failures are also raised, and reported in one line
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    return MlflowClient(uri, registry_uri=uri)


def _sqlite_file(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(parts.path[1:]) if parts.scheme == "sqlite" and len(parts.path) > 1 else None


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
