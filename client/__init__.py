"""A typed client of served recommenders, over gRPC or HTTP; also `python -m client`."""

from client.errors import (
    BenchError,
    ClientError,
    InvalidRequest,
    InvalidUrl,
    ModelMismatch,
    NotTriton,
    PerfAnalyzerMissing,
    RecordedDataInvalid,
    RequestRefused,
    RequestTimeout,
    ServerUnavailable,
    UnknownModel,
)
from client.recommend_client import Recommendation, RecommendClient
from client.signature import Signature, TensorSpec

__all__ = [
    "BenchError",
    "ClientError",
    "InvalidRequest",
    "InvalidUrl",
    "ModelMismatch",
    "NotTriton",
    "PerfAnalyzerMissing",
    "RecommendClient",
    "Recommendation",
    "RecordedDataInvalid",
    "RequestRefused",
    "RequestTimeout",
    "ServerUnavailable",
    "Signature",
    "TensorSpec",
    "UnknownModel",
]
