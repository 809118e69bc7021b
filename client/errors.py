"""The errors between a caller and the server. Every message is one line that ends with the remedy.

NaiadError                  stage.errors
└── ClientError
    ├── InvalidUrl           neither grpc://host:port nor http://host:port
    ├── InvalidRequest       refused here, before anything was sent: unknown feature, wrong type, missing int, NUL
    ├── RecordedDataInvalid  recorded rows, item table or request file are missing or malformed
    ├── ServerUnavailable    nothing answers, or the server is not ready; the only error that is retried
    ├── NotTriton            something else answers at the URL: another port, a proxy's page
    ├── RequestTimeout       no answer within `timeout_s`
    ├── RequestRefused       the server answered this request with an error
    │   └── UnknownModel     the server has no such model, or it is not loaded
    ├── ModelMismatch        the model exists, but its tensors are not those of a recommender
    └── BenchError           perf_analyzer measured nothing
        └── PerfAnalyzerMissing  perf_analyzer is not installed, or does not run on this system
"""

from stage.errors import NaiadError


class ClientError(NaiadError):
    """Root of the errors of this package."""


class InvalidUrl(ClientError, ValueError):
    """The URL is not a scheme, host and port that the client supports."""


class InvalidRequest(ClientError, ValueError):
    """A request cannot be converted to the model's tensors."""


class RecordedDataInvalid(ClientError, ValueError):
    """A file of recorded rows, items or requests cannot be used."""


class ServerUnavailable(ClientError):
    """The server does not answer or is not ready."""


class NotTriton(ClientError):
    """The server at the URL is not Triton."""


class RequestTimeout(ClientError):
    """The server did not answer in time."""


class RequestRefused(ClientError):
    """The server answered the request with an error."""


class UnknownModel(RequestRefused):
    """The server has no ready model of this name."""


class ModelMismatch(ClientError):
    """The model's tensors are not those of a recommender."""


class BenchError(ClientError):
    """perf_analyzer ran without a measurement."""


class PerfAnalyzerMissing(BenchError):
    """perf_analyzer is missing or does not run on this system."""
