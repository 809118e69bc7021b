"""The `two_tower` family as a Triton repository: towers, the index of item vectors, the match of pairs."""
