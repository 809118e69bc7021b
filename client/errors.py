"""What can go wrong between a caller and the server. Every message is one line that ends with the remedy.

NaiadError                  stage.errors
└── ClientError
    ├── InvalidUrl           neither grpc://host:port nor http://host:port
    ├── InvalidRequest       refused here, before anything was sent: unknown feature, wrong type, missing int, NUL
    ├── RecordedDataInvalid  recorded rows, item table or request file are missing or not as expected
    ├── ServerUnavailable    nobody answers, or the server is not ready; retried, the one error that is
    ├── NotTriton            something else answers at the url: another port, a proxy's page
    ├── RequestTimeout       no answer within `timeout_s`
    ├── RequestRefused       the server answered this request with an error
    │   └── UnknownModel     the server has no such model, or it is not loaded
    ├── ModelMismatch        the model is there, but takes or gives other tensors than a recommender
    └── BenchError           perf_analyzer measured nothing
        └── PerfAnalyzerMissing  perf_analyzer is not installed, or does not run on this system
"""

from stage.errors import NaiadError


class ClientError(NaiadError):
    """Root of the errors of this package."""


class InvalidUrl(ClientError, ValueError):
    """The URL names no scheme, host and port that the client can speak to."""


class InvalidRequest(ClientError, ValueError):
    """A request that cannot be turned into the model's tensors."""


class RecordedDataInvalid(ClientError, ValueError):
    """A file of recorded rows, items or requests cannot be used."""


class ServerUnavailable(ClientError):
    """The server does not answer or is not ready."""


class NotTriton(ClientError):
    """What answers at the url is no Triton server."""


class RequestTimeout(ClientError):
    """The server did not answer in time."""


class RequestRefused(ClientError):
    """The server answered the request with an error."""


class UnknownModel(RequestRefused):
    """The server has no such model ready."""


class ModelMismatch(ClientError):
    """The model's tensors are not those of a recommender."""


class BenchError(ClientError):
    """perf_analyzer ran and gave no measurement."""


class PerfAnalyzerMissing(BenchError):
    """There is no perf_analyzer that runs here."""
