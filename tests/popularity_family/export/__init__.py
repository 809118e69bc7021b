"""The family as Triton serves it: what would be its folder in `export/families`."""
