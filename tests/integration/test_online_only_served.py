"""A ranker without offline features, and towers in front of it, on the real server."""

from pathlib import Path

import numpy as np
import tritonclient.grpc as grpc

from export.data.golden import request_tensors
from export.families.retrieve_and_rank.plan import RETRIEVE_AND_RANK
from serving.server import run_triton
from tests import orders_exported
from tests.integration.served import Served, as_inputs

CHAINS = ("recommend", "recommend_fused", "recommend_nvtabular")


def test_orders_without_users_are_recommended_what_torch_recommends(
    orders_data: Path,
) -> None:
    folder = orders_exported.two_stages(orders_data)
    with run_triton(folder, grace_s=0) as server, grpc.InferenceServerClient(server.grpc_target) as client:
        served = Served(server, client, orders_data, folder, "offline_online")
        rows = served.golden.rows
        batches = [rows[start : start + 16] for start in range(0, len(rows), 16)]
        assert set(served.paths) == set(CHAINS)
        for chain in CHAINS:
            served.assert_torch_s(list(range(len(rows))), [served.infer(chain, batch) for batch in batches])
        nothing = np.array([[b""]], dtype=np.object_)
        inputs = as_inputs({**request_tensors(served.features, rows[:1]), "exclude": nothing})
        answer = client.infer(RETRIEVE_AND_RANK, inputs).as_numpy("item_id")
        assert answer.shape == (1, orders_exported.TOP_K)
