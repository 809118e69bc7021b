"""The names of tensors that pass between the served models, or come out of them; no feature of a request may have one.

They stand here because a schema is checked before `export`, which sits above this package, is ever imported.
"""

TENSOR_NAMES = frozenset(
    {
        "candidates",
        "exclude",
        "item_id",
        "item_ids",
        "repeat_items",
        "repeat_logits",
        "score",
        "source",
        "user_embedding",
        "user_vector",
    }
)
