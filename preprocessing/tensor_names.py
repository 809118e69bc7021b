"""The names of tensors between the served models and in their answers; no request feature may have one of them.

They are defined here because a schema is checked before `export`, a package above this one, is imported.
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
