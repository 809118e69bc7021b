"""The rivals of the sequential families, each run by the Python of an environment of its own.

`environment` makes the environments and runs the other modules in them; these import no other package of ours.
"""
