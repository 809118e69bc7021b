"""RecBole 1.2.1's configuration, data and trained models, for the modules that its own Python runs.

RecBole runs with torch 2.13 as it is, if numpy stays below 2 (it assigns `np.float_`) and `torch.load` may read the
pickles of its checkpoints, which `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` allows. It writes `log/` and `log_tensorboard/`
into the working folder.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, init_logger, init_seed  # noqa: E402

MODELS = ("SASRec", "SHAN", "SINE")


def configure(model: str, settings: dict[str, Any]) -> Config:
    """Return the configuration for the bundled ml-100k: RecBole's defaults, cross-entropy, without a progress bar."""
    sys.argv = sys.argv[:1]  # RecBole reads the command line of whoever imports it
    chosen = {"train_neg_sample_args": None, "gpu_id": "", "show_progress": False, "state": "WARNING", **settings}
    config = Config(model=model, dataset="ml-100k", config_dict=chosen)
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    return config


def prepare(config: Config) -> tuple[Any, Any, Any, Any]:
    """Return the data set and the loaders of its train, validation and test parts."""
    dataset = create_dataset(config)
    return dataset, *data_preparation(config, dataset)


def build(config: Config, train: Any) -> Any:
    """Return an untrained model."""
    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    return get_model(config["model"])(config, train._dataset).to(config["device"])


def load(checkpoint: Path) -> tuple[Config, Any, Any]:
    """Return configuration, model and data set, as `recbole.quick_start.load_data_and_model` does, without ray.

    Like there, the data set is read and split again: a checkpoint holds neither vocabulary nor catalogue.
    """
    saved = torch.load(checkpoint)
    config = saved["config"]
    dataset, train, _, _ = prepare(config)
    model = build(config, train)
    model.load_state_dict(saved["state_dict"])
    model.load_other_parameter(saved.get("other_parameter"))
    return config, model.eval(), dataset


def repair_order(model: Any) -> None:
    """Let RecBole's SHAN rank the sequences that it was trained on.

    It trains on right-aligned sequences, `INVERSE_ITEM_SEQ`, but its `full_sort_predict` reads the left-aligned
    `ITEM_SEQ`: the two newest items of a history shorter than the maximum are then padding.
    """
    rank = model.full_sort_predict

    def full_sort_predict(interaction: Any) -> Any:
        interaction.interaction[model.ITEM_SEQ] = interaction[model.INVERSE_ITEM_SEQ]
        return rank(interaction)

    model.full_sort_predict = full_sort_predict


def prefixes(part: Any) -> Iterator[tuple[str, list[str], str]]:
    """Yield (user, history oldest first, target) of a part's expanded rows, by raw ids."""
    dataset = part._dataset
    users, items = (dataset.field2id_token[field] for field in (dataset.uid_field, dataset.iid_field))
    rows = dataset.inter_feat.interaction
    columns = (rows[name].tolist() for name in (dataset.uid_field, "item_id_list", "item_length", dataset.iid_field))
    for user, history, length, target in zip(*columns, strict=True):
        yield str(users[user]), [str(items[item]) for item in history[:length]], str(items[target])
