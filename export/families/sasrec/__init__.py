"""The `sasrec` family as a Triton repository."""
