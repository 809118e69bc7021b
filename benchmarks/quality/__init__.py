"""Published quality figures, one TOML file each: data, split, metrics, family with its flags, and the figures to reach.

`python -m benchmarks.quality NAME` fits, trains with every seed and evaluates on the test once per model.
"""
