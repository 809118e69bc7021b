"""The errors of `export`.

BadInput                    stage.errors
├── RepositoryError         the folder is not a repository of `export repository`
├── RegistryError           the registry has no such model, or one of another kind
├── GraphError              a model cannot be written in the wanted form
├── DeclarationError        a graph's tensors are not those that its config.pbtxt declares
├── ParityError             a hop differs from the trained model by more than the tolerance
└── UnsupportedWorkflow     a saved workflow cannot be compiled to an equal graph
"""

from stage.errors import BadInput

EXPORT_AGAIN = "export the repository again"
IF_CHANGED = f"{EXPORT_AGAIN} if it was changed since, else report it"
"""The remedies for a repository that is incomplete, and for one whose answers differ."""


class RepositoryError(BadInput):
    """The folder is not a repository of `export repository`, or one of its files is missing."""


class RegistryError(BadInput):
    """MLflow's registry has no such model, or one that `training fit` did not write."""


class GraphError(BadInput):
    """A model cannot be written in the wanted form."""


class DeclarationError(BadInput):
    """A graph's tensors are not those that its config.pbtxt declares: NVIDIA's backends would not load the model."""


class ParityError(BadInput):
    """A hop differs from the trained model by more than the tolerance."""


class UnsupportedWorkflow(BadInput):
    """A saved workflow cannot be compiled to an equal graph; `preprocess_nvtabular` serves it."""
