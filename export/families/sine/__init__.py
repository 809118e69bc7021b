"""The `sine` family as a Triton repository."""
