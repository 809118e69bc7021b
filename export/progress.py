"""A progress bar of named steps, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Report = Callable[[str], None]
"""Says which step begins."""


@contextmanager
def steps(names: Sequence[str]) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("export", total=len(names))

        def step(name: str) -> None:
            progress.update(task, description=name, completed=names.index(name))

        yield step
        progress.update(task, description="done", completed=len(names))
