"""What `export` refuses.

BadInput                    stage.errors
├── RepositoryError         the folder is no repository that `export repository` wrote
├── GraphError              a model cannot be written in the wanted form
├── ParityError             a hop differs from the trained model by more than the tolerance
└── UnsupportedWorkflow     a saved workflow cannot be compiled to an equal graph
"""

from stage.errors import BadInput


class RepositoryError(BadInput):
    """The folder is not a model repository of ours, or a file of it is missing."""


class GraphError(BadInput):
    """A model cannot be written in the wanted form."""


class ParityError(BadInput):
    """A hop differs from the trained model by more than the tolerance."""


class UnsupportedWorkflow(BadInput):
    """A saved workflow holds what cannot be compiled to an equal graph; `preprocess_nvtabular` serves it."""
