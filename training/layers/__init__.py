"""The model families. A model file imports torch, transformers and the schema; masks and top-k live in `export`."""
