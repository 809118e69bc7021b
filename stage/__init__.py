"""The parts that all commands share: output folders that are complete or absent, and one-line errors."""
