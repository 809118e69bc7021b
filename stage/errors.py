"""The root of every error that a user can fix.

    BadInput (ValueError)
    ├── OutputError                    stage.output
    ├── SchemaError                    preprocessing.declared
    └── …                              each stage adds its leaves

A message is one line: the thing seen, what was expected, the remedy.
"""


class BadInput(ValueError):
    """The input cannot be used; the message names the thing and the remedy."""
