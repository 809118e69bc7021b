"""Drafts of a schema for a log: every guess is a proposal in a file, with a comment on what was found."""
