"""RecTools 0.19.0: `fast_transformers.FlatSASRecNet` on the sequences of its fast builder, full softmax.

`build_sequences` makes the tensors; `SequenceBatchDataset` and a DataLoader give the batches, as in RecTools' own
`UniSRecModel.fit`. RecTools has no trainer for this network: a plain loop stands here, without the cost of one. The
loss is the network's logits `[B, L, I]` and the cross-entropy of RecTools' own softmax loss. The weights begin as in
RecTools' transformer trainer, Xavier-normal: torch's embeddings of variance 1, with which the network is built, begin
at a loss of about 40 where a uniform guess has 8. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from rectools.fast_transformers import FlatSASRecNet, SequenceBatchDataset, build_sequences
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from benchmarks.rivals.leave_one_out import Curve, Log, Scores, command, padded, read_log


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train, and return the figures."""
    log = read_log(options.source)
    began = time.perf_counter()
    x, y, known = sequences(log, options.length)
    built = time.perf_counter() - began
    net = FlatSASRecNet(len(known), options.dim, options.blocks, options.heads, options.length, options.dropout)
    for weight in net.parameters():
        if weight.dim() > 1:
            torch.nn.init.xavier_normal_(weight)
    batches = DataLoader(SequenceBatchDataset(x, y), batch_size=options.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=options.learning_rate)
    curve = Curve(log, scores(net, known, log.items, options.length), options.evaluate_every)
    for _ in range(options.epochs):
        net.train()
        curve.begin_epoch()
        for batch in batches:
            logits = net(batch)
            # item n of y is column n - 1 of the logits; padding, 0, becomes -1
            loss = cross_entropy(logits.view(-1, logits.size(-1)), batch["y"].view(-1) - 1, ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if not loss.isfinite():
            raise SystemExit(f"rectools: the loss is {loss.item()}")
        curve.end_epoch()
    return {
        "rival": "rectools 0.19.0",
        "fast_path": "build_sequences, FlatSASRecNet",
        "build_seconds": round(built, 2),
        "loss": round(loss.item(), 4),
        **curve.figures(),
    }


def sequences(log: Log, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return inputs and targets `[users, length]` of the train part and the items that it has."""
    train = log.train()
    users = np.repeat(np.arange(len(train)), [len(each) for each in train])
    times = np.concatenate([np.arange(len(each)) for each in train])
    columns = (torch.from_numpy(each) for each in (users, np.concatenate(train), times))
    x, y, known, _ = build_sequences(*columns, max_len=length)
    return x, y, known


def scores(net: FlatSASRecNet, known: torch.Tensor, items: int, length: int) -> Scores:
    """Return the scores of histories; items that the train part lacks score -inf and are skipped in histories."""
    inner = torch.zeros(items, dtype=torch.long)
    inner[known] = torch.arange(1, len(known) + 1)
    inner_ids = inner.numpy()

    def of_histories(histories: list[np.ndarray[Any, Any]]) -> torch.Tensor:
        net.eval()
        mapped = [inner_ids[history] for history in histories]
        vectors = net.encode_last(padded([each[each > 0] for each in mapped], length, padding=0))
        found = torch.full((len(histories), items), -torch.inf)
        found[:, known] = vectors @ net.all_item_embeddings().T
        return found

    return of_histories


if __name__ == "__main__":
    command("run_rectools", __doc__, run)
