"""The errors of starting a server. Every message is one line that ends with the remedy.

NaiadError                  stage.errors
└── ServingError
    ├── RepositoryError          the directory is not a model repository
    ├── TritonNotFoundError      neither `tritonserver` on PATH nor the nvidia-pytriton wheel
    ├── PythonVersionError       the wheel has no stub for this Python version
    ├── LibpythonMissingError    this Python was built without its shared library
    ├── PortTakenError           something listens on a requested port
    ├── AddressError             the interface to listen on does not belong to this machine
    ├── BackendsError            the folder of native backends has none, or cannot be used here
    ├── LogFileError             the log file cannot be opened
    ├── LaunchError              the private directory cannot be created or filled, or the program not started
    └── StartError               Triton did not become ready, or died; `log_lines` has its log
        ├── ModelLoadError       `reasons` maps each broken model to Triton's reason
        ├── ServerDiedError      the process ended by itself
        └── StartTimeoutError    not ready within the time given
"""

from collections.abc import Mapping, Sequence

from stage.errors import NaiadError


class ServingError(NaiadError):
    """Root of the errors of this package."""


class RepositoryError(ServingError):
    """The directory is not a model repository."""


class TritonNotFoundError(ServingError):
    """There is no Triton to start."""


class PythonVersionError(ServingError):
    """The embedded Triton has no stub for this Python version."""


class LibpythonMissingError(ServingError):
    """The stub of the embedded Triton needs libpython, and this Python has none."""


class PortTakenError(ServingError):
    """A requested port is in use."""


class AddressError(ServingError):
    """The interface to listen on does not belong to this machine."""


class BackendsError(ServingError):
    """The folder of native backends has none, or the server that was found does not take any."""


class LogFileError(ServingError):
    """The log file cannot be opened for writing."""


class LaunchError(ServingError):
    """The server's private directory cannot be created, or the program not started."""


class StartError(ServingError):
    """Triton was started and did not become ready (or died later)."""

    def __init__(self, message: str, log_lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log_lines = tuple(log_lines)


class ModelLoadError(StartError):
    """At least one model did not load."""

    def __init__(self, message: str, reasons: Mapping[str, str], log_lines: Sequence[str] = ()) -> None:
        super().__init__(message, log_lines)
        self.reasons = dict(reasons)


class ServerDiedError(StartError):
    """The server process ended by itself."""


class StartTimeoutError(StartError):
    """The server was not ready in time."""
