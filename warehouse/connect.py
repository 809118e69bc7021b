"""Connections to the kinds of warehouse that store vectors."""

from __future__ import annotations

from importlib.util import find_spec

from warehouse.address import Address
from warehouse.errors import ConnectionRefused, WarehouseError
from warehouse.session import Session


def open_session(address: Address, read_only: bool) -> Session:
    """Connect to a warehouse for reading and writing vectors.

    Raises `ConnectionRefused` or `AddressError` if it does not answer, is missing, or is of another kind.
    """
    require_ibis(address)
    if address.kind == "duckdb":
        from warehouse.sessions.duckdb import DuckDBSession

        return DuckDBSession(address, read_only)
    if address.kind == "postgres":
        from warehouse.sessions.postgres import PostgresSession

        return PostgresSession(address)
    if address.kind == "bigquery":
        from warehouse.sessions.bigquery import BigQuerySession

        return BigQuerySession(address)
    raise ConnectionRefused(f"{address}: vectors are stored only in DuckDB, PostgreSQL or BigQuery: give one of them")


def require_ibis(address: Address) -> None:
    """Raise `WarehouseError` if naiad's extra `warehouse` is not installed."""
    if find_spec("ibis") is None:
        raise WarehouseError(f"{address}: Ibis is not installed: install naiad's extra `warehouse`")
