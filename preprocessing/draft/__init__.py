"""Drafting a schema of a log: every guess is a proposal in a file that a person reads, with what was seen."""
