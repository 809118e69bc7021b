"""The Triton model `item_index` with FAISS: the nearest item vectors of all waiting users, in one search.

- user_vector [B, D] float32, exclude.encoded [B, L] int64: ids that must not be returned; special ids are ignored.
- item_ids [B, K] int64, score [B, K] float32, best first. Empty slots, and all slots of a user whose vector is not
  finite, are id 0 with score -inf.
- candidates [B, C] int64, if config.pbtxt declares it: more items for a ranker, beginning with the same K.

The file is self-contained: `ef_search` and `first_item_id` (the id of the index's first vector) come from config.pbtxt,
the index from `vectors.faiss` next to this file.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

USER_VECTOR, EXCLUDED = "user_vector", "exclude.encoded"
ITEM_IDS, SCORE, CANDIDATES = "item_ids", "score", "candidates"
PADDING_ID = 0

Arrays = dict[str, np.ndarray[Any, Any]]


def open_model(config: dict[str, Any], folder: Path, _: Any = None) -> Any:
    """Return the object that answers requests; the server and `export verify` call this."""
    return ItemIndex(config, folder).answer_requests


class TritonPythonModel:
    """An instance of the index."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the index."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self._answer_requests = open_model(json.loads(args["model_config"]), folder)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; one that cannot be answered gets an error, without effect on the others."""
        # Only the server has this module; `export verify` loads this file without it.
        import triton_python_backend_utils as pb_utils

        arrays = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
        responses = []
        for request, answer in zip(requests, self._answer_requests(arrays), strict=True):
            if isinstance(answer, Exception):
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError(str(answer))))
                continue
            wanted = request.requested_output_names()
            tensors = [pb_utils.Tensor(name, array) for name, array in answer.items() if name in wanted]
            responses.append(pb_utils.InferenceResponse(tensors))
        return responses


class ItemIndex:
    """The search for the best items of user vectors, without excluded ids, in a FAISS index."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        # Waiting threads must not spin, because other models use the same cores.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import faiss

        faiss.omp_set_num_threads(1)
        self._faiss: Any = faiss
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self._ef_search = int(parameters["ef_search"])
        self._first = int(parameters["first_item_id"])
        widths = {each["name"]: int(each["dims"][0]) for each in config["output"]}
        self._top_k, self._has_candidates = widths[ITEM_IDS], CANDIDATES in widths
        self._most = widths.get(CANDIDATES, self._top_k)
        self._index = faiss.read_index(str(folder / "vectors.faiss"))

    def answer_requests(self, requests: list[Arrays]) -> list[Arrays | Exception]:
        """Answer requests of any lengths, `{name: [B, ...]}` each, in one search; refuse a wrong width."""
        good = [request[USER_VECTOR].shape[1] == self._index.d for request in requests]
        answers = iter(self._search([each for each, is_good in zip(requests, good, strict=True) if is_good]))
        return [
            next(answers)
            if is_good
            else ValueError(
                f"{USER_VECTOR} is {request[USER_VECTOR].shape[1]} wide, the index has vectors of {self._index.d}: "
                "send vectors of user_tower of this repository"
            )
            for request, is_good in zip(requests, good, strict=True)
        ]

    def _search(self, requests: list[Arrays]) -> list[Arrays]:
        if not requests:
            return []
        users = np.concatenate([request[USER_VECTOR] for request in requests])
        finite = np.isfinite(users).all(axis=1)
        left_out = [np.unique(row[row >= self._first]) for request in requests for row in request[EXCLUDED]]
        # If the index has fewer items, FAISS pads with -1.
        wanted = max(min(self._most + max(map(len, left_out)), self._index.ntotal), self._most)
        search = self._faiss.SearchParametersHNSW(efSearch=max(self._ef_search, wanted))
        score, places = self._index.search(
            np.ascontiguousarray(np.where(finite[:, None], users, 0.0), dtype=np.float32), wanted, params=search
        )
        ids = np.where(places >= 0, places + self._first, PADDING_ID).astype(np.int64)
        is_item = (places >= 0) & finite[:, None]
        for row, others in enumerate(left_out):
            is_item[row] &= ~np.isin(ids[row], others)
        order = np.argsort(~is_item, axis=1, kind="stable")[:, : self._most]
        kept = np.take_along_axis(is_item, order, axis=1)
        found = np.where(kept, np.take_along_axis(ids, order, axis=1), PADDING_ID)
        scores = np.where(kept, np.take_along_axis(score, order, axis=1), np.float32(-np.inf))
        ends = np.cumsum([len(request[USER_VECTOR]) for request in requests])[:-1]
        return [
            {
                ITEM_IDS: part[:, : self._top_k],
                SCORE: of_part[:, : self._top_k],
                **({CANDIDATES: part} if self._has_candidates else {}),
            }
            for part, of_part in zip(np.split(found, ends), np.split(scores, ends), strict=True)
        ]
