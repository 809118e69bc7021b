"""The `shan` family as a Triton repository."""
