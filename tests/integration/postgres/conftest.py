"""Empty databases of one PostgreSQL server, with pgvector and for a writer who may not create it."""

import secrets
from collections.abc import Iterator

import pytest

from tests.integration.postgres.server import Binaries, NoPostgres, bring_postgres, execute, postgres_server
from warehouse.history import Warehouse, open_warehouse


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    try:
        return bring_postgres()
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def server(binaries: Binaries) -> Iterator[str]:
    with postgres_server(binaries) as url:
        yield url


@pytest.fixture
def with_pgvector(binaries: Binaries, server: str) -> str:
    """The URL of an empty database whose owner may make the extension."""
    if binaries.without_pgvector:
        pytest.skip(binaries.without_pgvector)
    return empty_database(server)


@pytest.fixture
def without_pgvector(server: str) -> str:
    """The URL of an empty database, and of a user who may create tables and nothing else."""
    url = empty_database(server)
    user = f"writer_{secrets.token_hex(4)}"
    execute(url, f"CREATE USER {user} PASSWORD 'secret'", f"GRANT CREATE ON SCHEMA public TO {user}")
    return f"postgres://{user}:secret@{url.rpartition('@')[2]}"


@pytest.fixture(params=["real[]", "pgvector"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database whose vectors are kept as the parameter says."""
    fixture = "with_pgvector" if request.param == "pgvector" else "without_pgvector"
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def warehouse(url: str) -> Iterator[Warehouse]:
    with open_warehouse(url) as opened:
        yield opened


def empty_database(server: str) -> str:
    name = f"history_{secrets.token_hex(4)}"
    execute(f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"
