"""The store of a release: `user_embedding/1/users.safetensors`, which the model next to it reads.

Rows are sorted by the hash of the user's id, so a million users cost the server no dictionary and less than a second.
The metadata have the digests of the encoder that made the states and, as `store_digest`, of the store's content;
config.pbtxt has both too, so the server refuses a file of another release when it loads the model.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.errors import EXPORT_AGAIN, RepositoryError
from export.families.offline_online.stored.models import ENCODER_DIGEST, STORE_DIGEST, USER_EMBEDDING, named
from export.families.offline_online.stored.states import States
from export.parity.python_models import load_module
from export.repository.members import copy_python_model, write_configs
from export.triton.config import ModelConfig
from export.triton.files import PYTHON, model_path
from stage.library_errors import Becomes, first_line, map_errors


def write_store(config: ModelConfig, states: States, encoder_digest: str, folder: Path) -> None:
    """Write `user_embedding` below `folder`, with `config` and the digests of the store."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = copy_python_model(USER_EMBEDDING, folder)
    module = load_module(path, USER_EMBEDDING)
    arrays = store_arrays(states, module)
    digests = {ENCODER_DIGEST: encoder_digest, STORE_DIGEST: content_digest(arrays)}
    try:
        save_file(arrays, path.with_name(module.FILE), {**digests, "users": str(len(states.users))})
    except SafetensorError as error:
        raise OSError(errno.EIO, f"{path.with_name(module.FILE)}: {error}") from None
    # safetensors lets only the owner read it, and the server may run as another user.
    shutil.copymode(path, path.with_name(module.FILE))
    write_configs([named(config, digests)], folder)


def read_arrays(repository: Path) -> Arrays:
    """Return the arrays of a repository's store. Raises `RepositoryError` if it cannot be read."""
    path = model_path(repository, USER_EMBEDDING, PYTHON)
    module = load_module(path, USER_EMBEDDING)

    def unreadable(error: Exception) -> RepositoryError:
        return RepositoryError(f"{USER_EMBEDDING}: its store cannot be read ({first_line(error)}): {EXPORT_AGAIN}")

    with map_errors(Becomes((AttributeError, OSError, ValueError), unreadable)):
        arrays: Arrays = module.read_store(path.with_name(module.FILE))[1]
    return arrays


def store_arrays(states: States, module: Any) -> Arrays:
    """Return the arrays of the store, sorted by the hash with which the model `module` looks up ids."""
    ids = [user.encode() for user in states.users]
    hashes = np.array([module.hash_id(each) for each in ids], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    sorted_ids = [ids[place] for place in order]
    arrays: Arrays = {
        "hash": hashes[order],
        "id": np.frombuffer(b"".join(sorted_ids), dtype=np.uint8),
        "id_end": np.cumsum([len(each) for each in sorted_ids], dtype=np.int64),
        "user_embedding": states.embedding[order],
    }
    if states.ends is None or states.items is None or states.logits is None:
        return arrays
    places, ends = _places(states.ends, order)
    return {
        **arrays,
        "repeat_end": ends,
        "repeat_items": states.items[places],
        "repeat_logits": states.logits[places],
    }


def content_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the arrays, as hex digits."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _places(ends: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of ragged rows' values in the given `order` of rows, [V], and each row's end, [U]."""
    starts = np.concatenate([[0], ends[:-1]])
    lengths = (ends - starts)[order]
    new_ends = np.cumsum(lengths)
    shift = np.repeat(starts[order] - (new_ends - lengths), lengths)
    return np.arange(len(shift), dtype=np.int64) + shift, new_ends
