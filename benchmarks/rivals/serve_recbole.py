"""RecBole's model behind FastAPI, as teams write it, and the same service tuned: the rival of Triton.

    POST /next_item    {"history": ["50", "172", "181"]}    raw item ids, oldest first, unknown ids are skipped
    200                {"item_id": ["174", ...]}            K raw ids, best first
    GET /health        200 when ready

- `--mode published`: a synchronous endpoint, which FastAPI calls in its thread pool; the ids through the data set's
  `token2id` and `id2token`; an `Interaction` of `full_sort_predict` under `no_grad`; `torch.topk`; default threads.
- `--mode tuned`: an asynchronous endpoint, one torch thread, `inference_mode`, dictionaries of ids made at the start,
  JSON without validation, no padding for SASRec (SINE attends to it, so that it stays).

Both load the data set again at the start, because a checkpoint has no vocabulary, and neither does so at a request.
SHAN needs a user: both answer for RecBole's padding user. Listens on the loopback alone. Prints one line of JSON with
the port when ready; SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from recbole.data.interaction import Interaction

from benchmarks.rivals.recbole_data import load, repair_order


class Visit(BaseModel):
    """The body of a request."""

    history: list[str]


def published(app: FastAPI, config: Any, model: Any, dataset: Any, k: int, exclude_seen: bool) -> None:
    """Add the endpoint as teams write it."""
    field = dataset.iid_field
    length = config["MAX_ITEM_LIST_LENGTH"]

    def next_item(visit: Visit) -> dict[str, list[str]]:
        known = [token for token in visit.history if token in dataset.field2token_id[field]][-length:]
        ids = dataset.token2id(field, known) if known else []
        padded = torch.zeros(1, length, dtype=torch.long)
        padded[0, : len(known)] = torch.as_tensor(ids, dtype=torch.long)
        interaction = Interaction(
            {
                dataset.uid_field: torch.zeros(1, dtype=torch.long),
                "item_id_list": padded,
                "item_length": torch.tensor([max(len(known), 1)]),
                "Inverse_item_id_list": torch.roll(padded, length - len(known), dims=1),
            }
        )
        with torch.no_grad():
            scores = model.full_sort_predict(interaction.to(config["device"])).view(-1, dataset.item_num)
            scores[:, 0] = -torch.inf
            if exclude_seen:
                scores[0, ids] = -torch.inf
            _, best = torch.topk(scores, k)
        return {"item_id": dataset.id2token(field, best[0].tolist()).tolist()}

    app.add_api_route("/next_item", next_item, methods=["POST"])


def tuned(app: FastAPI, config: Any, model: Any, dataset: Any, k: int, exclude_seen: bool) -> None:
    """Add the endpoint as fast as FastAPI and RecBole's model allow."""
    torch.set_num_threads(1)
    answer = answers(config, model, dataset, k, exclude_seen)

    async def next_item(request: Request) -> Response:
        body = json.loads(await request.body())
        return Response(json.dumps({"item_id": answer(body["history"])}), media_type="application/json")

    app.add_api_route("/next_item", next_item, methods=["POST"])


def answers(config: Any, model: Any, dataset: Any, k: int, exclude_seen: bool) -> Callable[[list[str]], list[str]]:
    """Return the tuned function from a history to K raw ids."""
    ids = {str(token): place for place, token in enumerate(dataset.field2id_token[dataset.iid_field]) if place}
    tokens = [str(token) for token in dataset.field2id_token[dataset.iid_field]]
    length = config["MAX_ITEM_LIST_LENGTH"]
    pad = config["model"] != "SASRec"
    right_aligned = config["model"] == "SHAN"
    user = torch.zeros(1, dtype=torch.long)

    @torch.inference_mode()
    def answer(history: list[str]) -> list[str]:
        known = [ids[token] for token in history if token in ids][-length:]
        padding = [0] * (length - len(known)) if pad else [0][: not known]
        row = torch.tensor([known + padding])
        inverse = torch.tensor([padding + known]) if right_aligned else row
        sizes = torch.tensor([len(known) or 1])
        rows = {dataset.uid_field: user, "item_id_list": row, "item_length": sizes, "Inverse_item_id_list": inverse}
        scores = model.full_sort_predict(Interaction(rows))[0]
        scores[0] = -torch.inf
        if exclude_seen:
            scores[known] = -torch.inf
        return [tokens[item] for item in torch.topk(scores, k).indices.tolist()]

    return answer


def serve(options: argparse.Namespace) -> None:
    """Load the model, listen, and serve until a signal."""
    checkpoint = options.checkpoint.absolute()
    options.work.mkdir(parents=True, exist_ok=True)
    os.chdir(options.work)
    config, model, dataset = load(checkpoint)
    if config["model"] == "SHAN":
        repair_order(model)
    listening = socket.socket()
    listening.bind(("127.0.0.1", options.port))
    listening.listen(1024)

    @asynccontextmanager
    async def ready(_: FastAPI) -> AsyncIterator[None]:
        line = {"port": listening.getsockname()[1], "mode": options.mode, "model": config["model"], "k": options.k}
        print(json.dumps(line | {"threads": torch.get_num_threads()}), flush=True)
        yield

    def health() -> dict[str, str]:
        return {"status": "ready"}

    app = FastAPI(lifespan=ready)
    app.add_api_route("/health", health)

    endpoint = tuned if options.mode == "tuned" else published
    endpoint(app, config, model, dataset, options.k, options.exclude_seen)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals.serve_recbole", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="`checkpoint` of a run of run_recbole")
    parser.add_argument("--mode", choices=("published", "tuned"), default="published")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--exclude-seen", action="store_true", help="mask the items of the history; RecBole does not")
    parser.add_argument("--work", type=Path, default=Path("runs/rivals/recbole_work"), help="folder for what it writes")
    serve(parser.parse_args())


if __name__ == "__main__":
    main()
