"""The errors of a warehouse.

BadInput                     stage.errors
└── WarehouseError
    ├── AddressError         a URL that names no warehouse, table or file
    ├── ConnectionRefused    the warehouse does not answer, or answers with an error
    ├── TableError           a table is missing or has other columns
    ├── PartitionError       a run is missing, incomplete, ambiguous, or exists already
    └── VectorError          ids or vectors that cannot be stored or compared
"""

from __future__ import annotations

from stage.errors import BadInput


class WarehouseError(BadInput):
    """The warehouse cannot do what was requested; the message names the thing and the remedy."""


class AddressError(WarehouseError):
    """The URL names no warehouse, table or file."""


class ConnectionRefused(WarehouseError):
    """The warehouse does not answer, or answers with an error."""


class TableError(WarehouseError):
    """A table is missing or has other columns."""


class PartitionError(WarehouseError):
    """A run's partition is missing, incomplete, ambiguous, or exists already."""


class VectorError(WarehouseError):
    """Ids or vectors cannot be stored or compared."""
