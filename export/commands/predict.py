"""`export predict`: the answers to a file of histories, through the exported graph."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from export.commands.opened import open_repository
from export.embeddings.file import partial_file
from export.errors import RepositoryError
from export.next_item.answer_files import Answer, answer_file, require_answer_file
from export.next_item.history_files import HistoryFile
from export.next_item.plan import KNOWN, REASON
from export.next_item.requests import request_of
from export.parity.local import LocalRepository
from export.triton.tensors import ITEM_ID, SCORE
from stage.progress import counting

THREADS = 2


def predict(
    repository: str | Path,
    histories: str | Path,
    output: str | Path,
    *,
    top_k: int | None = None,
    batch_size: int = 256,
    separator: str = " ",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the answers, completely or not at all; return a summary.

    Args:
        repository: The output of `export repository` of a next-item model.
        histories: FILE.parquet or FILE.csv, see `export.next_item.history_files`.
        output: FILE.parquet or FILE.csv, see `export.next_item.answer_files`.
        top_k: Number of items per answer; by default, and at most, that of the repository.
        batch_size: Number of histories that are answered at a time.
        separator: What separates the ids of a history in CSV.
        overwrite: Replace the output if it exists.

    Raises:
        RepositoryError: The repository does not answer histories, or not with so many items.
        HistoriesError: The file has none of the accepted forms.

    """
    repository, source, target = Path(repository), Path(histories), Path(output)
    require_answer_file(target)
    opened = open_repository(repository)
    answers = opened.families[opened.result.family].histories
    if answers is None:
        raise RepositoryError(f"{repository}: is of family {opened.result.family}, whose requests are not histories")
    chain = answers(opened.plans[opened.result.family])
    count = chain.top_k if top_k is None else top_k
    if count > chain.top_k:
        raise RepositoryError(f"--top-k {count}: answers of {repository} have {chain.top_k} items: export with more")
    file = HistoryFile(source, chain.contexts, separator)
    local, reasons, written, started = LocalRepository(repository, THREADS), Counter[str](), 0, time.perf_counter()
    with (
        partial_file(target, overwrite, [repository, source]) as partial,
        answer_file(partial, target.suffix, file.key) as write,
        counting({"rows": file.count}) as advance,
    ):
        for chunk in file.chunks():
            # Histories of similar lengths share a batch, whose length is that of the longest.
            order = sorted(range(len(chunk.rows)), key=lambda row: len(chunk.rows[row]["history"]))
            found: dict[int, Answer] = {}
            for start in range(0, len(order), batch_size):
                places = order[start : start + batch_size]
                tensors = request_of([chunk.rows[place] for place in places], chain.contexts)
                answer = local.run(chain.name, tensors)
                columns = (answer[name] for name in (ITEM_ID, SCORE, REASON.name, KNOWN.name))
                for place, items, scores, [reason], [known] in zip(places, *columns, strict=True):
                    filled = np.isfinite(scores[:count])
                    best = items[:count][filled].tolist(), scores[:count][filled].tolist()
                    found[place] = Answer(str(chunk.ids[place]), *best, str(reason), float(known))
            write([found[place] for place in range(len(order))])
            reasons.update(each.reason for each in found.values())
            written += len(found)
            advance("rows", chunk.read)
    seconds = time.perf_counter() - started
    return {
        "output": str(target),
        "model": chain.name,
        "histories": written,
        "reasons": dict(sorted(reasons.items())),
        "seconds": round(seconds, 3),
        "per_second": round(written / seconds, 1),
    }
