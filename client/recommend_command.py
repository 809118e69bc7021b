"""`python -m client recommend`: one table per request, with the user's history next to it."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.connect import connect
from client.errors import InvalidRequest, RecordedDataInvalid
from client.recommend_client import Recommendation
from client.recorded import RecordedRow, RecordedRows, read_titles
from client.request_file import read_requests
from client.signature import ITEM_ID, Signature
from stage.command import print_result


def recommend(options: argparse.Namespace) -> int:
    """Print a table per request, then everything as JSON."""
    notes: list[str] = []
    recorded, rows = _rows(options, notes)
    titles = read_titles(options.items) if options.items else {}
    with connect(options, options.model) as client:
        signature = client.signature
        history = _history(signature, options.history)
        if recorded is not None:
            recorded.require(*signature.recorded)
        answers = client.recommend([row.request(signature) for row in rows])
    listed = signature.outputs[ITEM_ID].dims[-1]
    if 0 < listed < options.top:
        notes.append(f"--top {options.top}: {options.model} lists {listed} items, so at most {listed} are shown")
    for each in notes:
        print(f"note: {each}", file=sys.stderr)
    console = Console()
    for position, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        title = f"user {row.user}" if row.user is not None else f"request {position}"
        title += f" ({answer.source} embedding)" if answer.source else ""
        console.print(_table(title, row, answer, titles, history, options.top))
    results = [
        {
            "user": row.user,
            "item_ids": answer.item_ids[: options.top],
            "scores": answer.scores[: options.top],
            **({"source": answer.source} if answer.source else {}),
        }
        for row, answer in zip(rows, answers, strict=True)
    ]
    print_result({"model": options.model, "recommendations": results})
    return 0


def _rows(options: argparse.Namespace, notes: list[str]) -> tuple[RecordedRows | None, list[RecordedRow]]:
    if options.request is not None:
        if options.user:
            raise InvalidRequest("--user: selects from recorded rows: give --requests DATA/requests/<split> with it")
        return None, read_requests(options.request)
    recorded = RecordedRows(options.requests)
    if options.user:
        return recorded, recorded.newest_of(options.user)
    users = recorded.users(6)
    if not users:
        raise RecordedDataInvalid(
            f"{options.requests}: has no column of users: give DATA/requests/<split> of the model's data"
        )
    others = f", others are {', '.join(users[1:])}" if users[1:] else ""
    notes.append(f"no --user: showing the newest row of {users[0]}{others}")
    return recorded, recorded.newest_of(users[:1])


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
    table.add_column("bought before (newest first)" if history else "bought before (not sent)")
    table.add_column("#", justify="right")
    table.add_column("recommended")
    table.add_column("score", justify="right")
    table.add_column("")
    for rank in range(max(len(before), shown)):
        left = Text(titles.get(before[rank], before[rank]) if rank < len(before) else "")
        if rank >= shown:
            table.add_row(left, "", "", "", "")
            continue
        item, score = answer.item_ids[rank], answer.scores[rank]
        marks = ["again"] * (item in bought_before) + ["bought next"] * (item in bought_next)
        name = Text(titles.get(item, item), style="green" if item in bought_next else "")
        table.add_row(left, str(rank + 1), name, f"{score:.3f}", ", ".join(marks))
    return table


def _caption(row: RecordedRow) -> str:
    return f"items bought next: {len(row.target)}" if row.target else ""
