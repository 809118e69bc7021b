"""Connection URLs of a warehouse and of one of its tables.

    duckdb:///absolute/file.duckdb     duckdb://relative/file.duckdb     file.duckdb
    postgres://USER:PASSWORD@HOST:PORT/DATABASE[/SCHEMA]
    bigquery://PROJECT/DATASET
    any other URL to which Ibis connects: tables are read from it, vectors are not written to it

The URL of a table is the URL of its warehouse followed by `/TABLE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.errors import AddressError

FORMS = "duckdb:///FILE, postgres://USER@HOST:PORT/DATABASE or bigquery://PROJECT/DATASET"


@dataclass(frozen=True)
class Address:
    """`kind` is Ibis's name of the backend; `url` contains the password, `shown` does not."""

    kind: str
    url: str
    shown: str

    @property
    def path(self) -> str:
        """The part of the URL after `KIND://`, without the query."""
        return self.url.partition("://")[2].partition("?")[0]

    @property
    def file(self) -> Path | None:
        """The file of a database that is a local file."""
        return Path(self.path) if self.kind in ("duckdb", "sqlite") else None

    def __str__(self) -> str:
        return self.shown


def warehouse_address(url: str) -> Address:
    """Return the address of a warehouse; a plain path is a DuckDB file."""
    if "://" not in url:
        url = f"duckdb://{url}"
    kind, _, path = url.partition("://")
    kind = "postgres" if kind == "postgresql" else kind
    if not kind or not path.strip("/"):
        raise AddressError(f"{_shown(url)}: names no warehouse, give {FORMS}")
    address = Address(kind, f"{kind}://{path}", _shown(url))
    least = {"postgres": 2, "bigquery": 2}.get(kind, 1)
    if len([part for part in address.path.split("/") if part]) < least:
        raise AddressError(f"{address}: names no {'dataset' if kind == 'bigquery' else 'database'}, give {FORMS}")
    return address


def table_address(url: str) -> tuple[Address, str]:
    """Return the address of a table's warehouse, and the table's name."""
    location, question, query = url.partition("?")
    rest, _, table = location.rstrip("/").rpartition("/")
    if not table or rest.endswith(":/"):
        raise AddressError(f"{_shown(url)}: names no table, give the URL of the warehouse followed by /TABLE")
    try:
        return warehouse_address(rest + question + query), table
    except AddressError:
        raise AddressError(f"{_shown(url)}: names no table, give the URL of the warehouse followed by /TABLE") from None


def _shown(url: str) -> str:
    """Return the URL for messages: without the password and the query."""
    head, separator, rest = url.partition("://")
    location = rest.partition("?")[0]
    try:
        password = urlsplit(url).password
    except ValueError:
        raise AddressError("the host of the URL is invalid: put an IPv6 address in brackets") from None
    if password is None:
        return head + separator + location
    user = location.partition(":")[0]
    return f"{head}{separator}{user}@{location.rpartition('@')[2]}"
