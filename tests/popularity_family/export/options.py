"""The flags of the family: it has none of its own."""

from export.families.options import Flags, Need

FLAGS = Flags({"model": Need("popularity")})
