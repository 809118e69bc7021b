"""The result of a fit as a table."""

from __future__ import annotations

from preprocessing.fit import Summary
from preprocessing.schema import FIRST_KNOWN_ID, Feature, FittedSchema


def print_summary(made: Summary) -> None:
    """Print the rows of each split, and every request feature with its learned part."""
    from rich.console import Console
    from rich.table import Table

    fitted = made.fitted
    splits = Table("split", "rows", "from")
    splits.columns[1].justify = "right"
    for split, rows in made.rows.items():
        splits.add_row(split, f"{rows:,}", fitted.boundaries.get(split, "").removesuffix("T00:00:00"))
    features = Table("feature", "kind", "side", "stage", "learned")
    for column in features.columns:
        column.overflow = "fold"
    for feature in fitted.schema_.features:
        features.add_row(feature.name, feature.kind, feature.side, feature.stage, _learned(fitted, feature))
    console = Console(highlight=False)
    items = fitted.items - FIRST_KNOWN_ID
    for line in made.read.lines():
        console.print(line, markup=False)
    rare = made.read.items - items
    least = max(fitted.schema_.item_id.min_frequency, 1)
    console.print(f"{fitted.schema_.name}: {items:,} items in the vocabulary")
    if rare:
        console.print(f"{rare:,} items have fewer than {least} purchases in training: they are never in an answer")
    console.print(splits)
    console.print(features)


def _learned(fitted: FittedSchema, feature: Feature) -> str:
    if feature == fitted.schema_.item_id:
        return f"{fitted.items - FIRST_KNOWN_ID:,} items"
    return feature.summary(fitted.learned.get(feature.name))
