"""Layers shared by the families' models: encoders of sequences, embeddings of features and items, exclusion."""
