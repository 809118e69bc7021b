"""Connection URLs: of a warehouse, and of one table in it.

    duckdb:///absolute/file.duckdb     duckdb://relative/file.duckdb     file.duckdb
    postgres://USER:PASSWORD@HOST:PORT/DATABASE[/SCHEMA]
    bigquery://PROJECT/DATASET
    any other URL that Ibis connects to: tables are read from it, vectors are not written to it

A table's URL is its warehouse's with `/TABLE` at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.errors import AddressError

FORMS = "duckdb:///FILE, postgres://USER@HOST:PORT/DATABASE or bigquery://PROJECT/DATASET"


@dataclass(frozen=True)
class Address:
    """`kind` is Ibis's name of the backend; `url` carries the password, `shown` does not."""

    kind: str
    url: str
    shown: str

    @property
    def path(self) -> str:
        """What stands behind `KIND://`, without the query."""
        return self.url.partition("://")[2].partition("?")[0]

    @property
    def file(self) -> Path | None:
        """The file of a database that is one on this machine."""
        return Path(self.path) if self.kind in ("duckdb", "sqlite") else None

    def __str__(self) -> str:
        return self.shown


def warehouse_address(url: str) -> Address:
    """The address of a warehouse; a plain path is a DuckDB file."""
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
    """The address of a table's warehouse, and the table's name."""
    location, question, query = url.partition("?")
    rest, _, table = location.rstrip("/").rpartition("/")
    if not table or rest.endswith(":/"):
        raise AddressError(f"{_shown(url)}: names no table, give its warehouse's URL with /TABLE at the end")
    try:
        return warehouse_address(rest + question + query), table
    except AddressError:
        raise AddressError(f"{_shown(url)}: names no table, give its warehouse's URL with /TABLE at the end") from None


def _shown(url: str) -> str:
    """The URL as a message may show it: without the password, and without what a query may hold."""
    head, separator, rest = url.partition("://")
    location = rest.partition("?")[0]
    try:
        password = urlsplit(url).password
    except ValueError:
        raise AddressError("the URL's host is no host: put an IPv6 address in brackets") from None
    if password is None:
        return head + separator + location
    user = location.partition(":")[0]
    return f"{head}{separator}{user}@{location.rpartition('@')[2]}"
