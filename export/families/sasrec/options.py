"""The flags of `sasrec` models: they have none of their own, and an export needs no data."""

from __future__ import annotations

from export.families.options import Flags, Need

FLAGS = Flags({"model": Need("sasrec")}, data=False)
