"""The family `two_tower` as a Triton repository: towers, the index over item vectors, the match of pairs."""
