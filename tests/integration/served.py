"""A served repository, its data and models, and requests to it as tensors."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as grpc
from tritonclient.utils import np_to_triton_dtype

from export.data.golden import Arrays, Row, read_item_ids, request_tensors
from export.families.offline_online.stored.models import RECOMMEND_STORED
from export.parity.answers import Reference, golden_file, read_reference
from export.parity.compare import compare_rankings
from preprocessing.schema import Feature, FittedSchema, read_fitted
from serving.server import TritonServer

RANKERS = [("compiled_data", "onnx"), ("synthetic_data", "torchscript")]
"""Data and format of each repository that `served` serves."""


@dataclass(frozen=True)
class Served:
    """A running server and the folders behind it."""

    server: TritonServer
    client: grpc.InferenceServerClient
    data: Path
    repository: Path
    family: str = "offline_online"

    @cached_property
    def models(self) -> set[str]:
        return {path.parent.name for path in self.repository.glob("*/config.pbtxt")}

    @cached_property
    def paths(self) -> list[str]:
        """The ways to a recommendation that give the same answers, the default first."""
        return sorted(model for model in self.models - {RECOMMEND_STORED} if model.startswith("recommend"))

    @cached_property
    def fitted(self) -> FittedSchema:
        return read_fitted(self.data)

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.fitted.schema_.request_features

    @cached_property
    def requests(self) -> Any:
        """The golden rows, which know how to become tensors."""
        from export.commands.opened import job_of, open_repository
        from tests.families import source

        opened = open_repository(self.repository)
        data = source(opened.result.family, self.data)
        return job_of(opened, data, self.repository, lambda _: None).requests

    @cached_property
    def golden(self) -> Reference:
        return read_reference(self.repository / golden_file(self.family))

    @cached_property
    def encoded_ids(self) -> dict[str, int]:
        return {item: place for place, item in reversed(list(enumerate(read_item_ids(self.data))))}

    @property
    def items(self) -> list[str]:
        """The catalogue, by falling frequency."""
        return sorted(self.encoded_ids.keys() - {""}, key=self.encoded_ids.__getitem__)

    def inputs_of(self, model: str) -> list[str]:
        return [tensor.name for tensor in self.client.get_model_metadata(model).inputs]

    def infer(self, model: str, rows: list[Row]) -> Any:
        return self.client.infer(model, self.inputs(rows))

    def inputs(self, rows: list[Row]) -> list[Any]:
        return as_inputs(request_tensors(self.features, rows))

    def assert_torch_s(self, places: list[int], answers: list[Any]) -> None:
        """The answers' rows, one after the other, are torch's to the golden rows at `places`."""
        ids = [
            [self.encoded_ids[item.decode()] for item in row] for each in answers for row in each.as_numpy("item_id")
        ]
        scores = np.concatenate([each.as_numpy("score") for each in answers])
        expected = {name: self.golden.answers[name][places] for name in ("item_ids", "score")}
        compare_rankings("served", expected, np.array(ids), scores)


def as_inputs(arrays: Arrays, triton: Any = grpc) -> list[Any]:
    tensors = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    return tensors
