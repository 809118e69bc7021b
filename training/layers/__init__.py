"""What the models of the families share: encoders of sequences, embeddings of features and items, exclusion."""
