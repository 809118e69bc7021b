"""`python -m client recommend`: one table per request, with the user's history next to it if the model takes one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.connect import connect
from client.errors import InvalidRequest, RecordedDataInvalid
from client.recommend_client import Recommendation
from client.recorded import RecordedRow, RecordedRows, read_titles
from client.request_file import read_requests
from client.request_flags import request_of
from client.signature import ITEM_ID, Signature
from stage.command import print_result


def recommend(options: argparse.Namespace) -> int:
    """Print a table per request, then everything as JSON."""
    notes: list[str] = []
    rows_for = _rows(options, notes)
    titles = read_titles(options.items) if options.items else {}
    with connect(options, options.model) as client:
        signature = client.signature
        history = _history(signature, options.history)
        rows = rows_for(signature)
        answers = client.recommend([row.request(signature) for row in rows])
    listed = signature.outputs[ITEM_ID].dims[-1]
    if 0 < listed < options.top:
        notes.append(f"--top {options.top}: {options.model} lists {listed} items, so at most {listed} are shown")
    for each in notes:
        print(f"note: {each}", file=sys.stderr)
    console = Console()
    for position, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        title = f"user {row.user}" if row.user is not None else f"request {position}"
        console.print(_table(title + _about(answer), row, answer, titles, history, options.top))
    results = [
        {
            "user": row.user,
            "item_ids": answer.item_ids[: options.top],
            "scores": answer.scores[: options.top],
            **({"source": answer.source} if answer.source else {}),
            **({"reason": answer.reason} if answer.reason else {}),
            **({"known": answer.known} if answer.known is not None else {}),
        }
        for row, answer in zip(rows, answers, strict=True)
    ]
    print_result({"model": options.model, "recommendations": results})
    return 0


def _rows(options: argparse.Namespace, notes: list[str]) -> Callable[[Signature], list[RecordedRow]]:
    """Return a function that returns the rows for a model; files and users are refused before the server is asked."""
    if options.requests is None and options.user:
        raise InvalidRequest("--user: selects from recorded rows: give --requests DATA/requests/<split> with it")
    if options.feature:
        return lambda signature: [request_of(signature, options.feature)]
    if options.request is not None:
        read = read_requests(options.request)
        return lambda _: read
    recorded = RecordedRows(options.requests)
    users = options.user or recorded.users(6)
    if not users:
        raise RecordedDataInvalid(
            f"{options.requests}: has no column of users: give DATA/requests/<split> of the model's data"
        )
    if not options.user:
        others = f", others are {', '.join(users[1:])}" if users[1:] else ""
        notes.append(f"no --user: showing the newest row of {users[0]}{others}")
        users = users[:1]
    recorded.newest_of(users)

    def served(signature: Signature) -> list[RecordedRow]:
        recorded.serve(signature)
        return recorded.newest_of(users)

    return served


def _about(answer: Recommendation) -> str:
    parts = [f"{answer.source} embedding"] if answer.source else []
    parts += [f"reason: {answer.reason}"] if answer.reason else []
    parts += [f"{answer.known:.0%} of the history known"] if answer.known is not None else []
    return f" ({'; '.join(parts)})" if parts else ""


def _history(signature: Signature, asked: str | None) -> str | None:
    """Return the sequence to show next to the answer: the requested one, else the model's first, if there is one."""
    if asked is not None and asked not in signature.histories:
        some = ", ".join(signature.histories) or "none"
        raise InvalidRequest(f"--history {asked}: {signature.model} has no such sequence: give one of {some}")
    return asked or next(iter(signature.histories), None)


def _table(
    title: str, row: RecordedRow, answer: Recommendation, titles: dict[str, str], history: str | None, top: int
) -> Table:
    newest_first = [item for item in (row.features.get(history) if history else None) or [] if item][::-1]
    bought_before, bought_next = set(newest_first), set(row.target)
    before = newest_first[:top]
    shown = min(top, len(answer.item_ids))
    table = Table(title=title, title_justify="left", caption=_caption(row), caption_justify="left")
    if history:
        table.add_column("bought before (newest first)")
    table.add_column("#", justify="right")
    table.add_column("recommended")
    table.add_column("score", justify="right")
    table.add_column("")
    for rank in range(max(len(before), shown)):
        left = [Text(titles.get(before[rank], before[rank]) if rank < len(before) else "")] if history else []
        if rank >= shown:
            table.add_row(*left, "", "", "", "")
            continue
        item, score = answer.item_ids[rank], answer.scores[rank]
        marks = ["again"] * (item in bought_before) + ["bought next"] * (item in bought_next)
        name = Text(titles.get(item, item), style="green" if item in bought_next else "")
        table.add_row(*left, str(rank + 1), name, f"{score:.3f}", ", ".join(marks))
    return table


def _caption(row: RecordedRow) -> str:
    return f"items bought next: {len(row.target)}" if row.target else ""
