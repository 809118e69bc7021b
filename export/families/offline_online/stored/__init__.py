"""Serving from stored vectors: the release stores the offline state of its users, and ranks without encoding them."""
