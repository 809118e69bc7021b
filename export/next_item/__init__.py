"""Repositories of models that read a history of items and nothing else."""
