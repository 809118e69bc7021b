"""Serving from stored vectors: the release holds the offline state of its users, and ranks without encoding them."""
