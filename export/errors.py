"""What `export` refuses.

BadInput                    stage.errors
├── RepositoryError         the folder is no repository that `export repository` wrote
├── RegistryError           the registry holds no such model, or one of another kind
├── GraphError              a model cannot be written in the wanted form
├── DeclarationError        a graph's tensors are not those that its config.pbtxt declares
├── ParityError             a hop differs from the trained model by more than the tolerance
└── UnsupportedWorkflow     a saved workflow cannot be compiled to an equal graph
"""

from stage.errors import BadInput


class RepositoryError(BadInput):
    """The folder is not a model repository of ours, or a file of it is missing."""


class RegistryError(BadInput):
    """MLflow's registry holds no such model, or one that `training fit` did not write."""


class GraphError(BadInput):
    """A model cannot be written in the wanted form."""


class DeclarationError(BadInput):
    """A graph's tensors are not those that its config.pbtxt declares: NVIDIA's backends would not load the model."""


class ParityError(BadInput):
    """A hop differs from the trained model by more than the tolerance."""


class UnsupportedWorkflow(BadInput):
    """A saved workflow holds what cannot be compiled to an equal graph; `preprocess_nvtabular` serves it."""
