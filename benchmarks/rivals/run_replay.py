"""RePlay 0.22.0: SasRec whose encoder is wrapped in `LengthBucketedQueryEncoder`, full cross-entropy.

As RePlay's documentation trains: `ParquetModule` with the default SasRec transforms, `LightningModule` and a Lightning
trainer, here without logger, checkpoints and progress bar. `--bucket-size` rows pass the encoder at once. Its
`from_params` makes the model; only the encoder is replaced, before training. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

import lightning  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
from replay.data import FeatureHint, FeatureSource, FeatureType  # noqa: E402
from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema  # noqa: E402
from replay.data.nn.parquet.parquet_module import ParquetModule  # noqa: E402
from replay.nn.lightning import LightningModule  # noqa: E402
from replay.nn.lightning.optimizer import OptimizerFactory  # noqa: E402
from replay.nn.sequential import LengthBucketedQueryEncoder, SasRec  # noqa: E402
from replay.nn.transform.template import make_default_sasrec_transforms  # noqa: E402

from benchmarks.rivals.leave_one_out import Curve, Log, Scores, command, padded, read_log  # noqa: E402


class Clock(lightning.Callback):  # type: ignore[misc]
    """Gives each epoch's seconds to a curve."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def on_train_epoch_start(self, *_: Any) -> None:
        self._curve.begin_epoch()

    def on_train_epoch_end(self, _: Any, module: LightningModule) -> None:
        self._curve.end_epoch()
        module.train()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train, and return the figures."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    log = read_log(options.source)
    schema = schema_of(log.items, options.dim)
    model = SasRec.from_params(
        schema,
        embedding_dim=options.dim,
        num_heads=options.heads,
        num_blocks=options.blocks,
        max_sequence_length=options.length,
        dropout=options.dropout,
    )
    if options.bucket_size:
        model.body.encoder = LengthBucketedQueryEncoder(model.body.encoder, options.bucket_size)
    curve = Curve(log, scores(model, log.items, options.length), options.evaluate_every)
    with tempfile.TemporaryDirectory(prefix="naiad-replay-") as folder:
        path = Path(folder) / "train.parquet"
        write_sequences(log, options.length + 1, path)
        data = ParquetModule(
            batch_size=options.batch_size,
            metadata={"train": {"item_id": {"shape": options.length + 1, "padding": log.items}}},
            transforms=make_default_sasrec_transforms(schema),
            train_path=str(path),
        )
        trainer = lightning.Trainer(
            max_epochs=options.epochs,
            accelerator="cpu",
            limit_val_batches=0,
            callbacks=[Clock(curve)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(LightningModule(model, OptimizerFactory(learning_rate=options.learning_rate)), data)
    return {
        "rival": "replay-rec 0.22.0",
        "fast_path": f"LengthBucketedQueryEncoder, {options.bucket_size} rows" if options.bucket_size else None,
        "loss": round(float(trainer.callback_metrics["train_loss_epoch"]), 4),
        **curve.figures(),
    }


def schema_of(items: int, dim: int) -> TensorSchema:
    """Return the schema of one sequence of item ids; id I is padding."""
    return TensorSchema(
        [
            TensorFeatureInfo(
                "item_id",
                is_seq=True,
                feature_type=FeatureType.CATEGORICAL,
                embedding_dim=dim,
                padding_value=items,
                cardinality=items,
                feature_hint=FeatureHint.ITEM_ID,
                feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
            )
        ]
    )


def write_sequences(log: Log, length: int, path: Path) -> None:
    """Write the newest items of each user's train part, a row per user with at least two of them."""
    kept = [sequence[-length:].astype(np.int64) for sequence in log.train() if len(sequence) > 1]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in kept])]).astype(np.int32)
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(kept)))
    pq.write_table(pa.table({"item_id": column}), path)


def scores(model: SasRec, items: int, length: int) -> Scores:
    """Return the scores of histories, as `SasRec` ranks in inference."""

    def of_histories(histories: list[np.ndarray[Any, Any]]) -> torch.Tensor:
        model.eval()
        rows = padded(histories, length, padding=items)
        found: torch.Tensor = model(feature_tensors={"item_id": rows}, padding_mask=rows != items)["logits"]
        return found

    return of_histories


if __name__ == "__main__":
    command("run_replay", __doc__, run)
