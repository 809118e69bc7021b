"""Progress bars on standard error: of named steps, of things that are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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


@contextmanager
def counting(totals: Mapping[str, int]) -> Iterator[Callable[[str, int], None]]:
    """A bar for each name; what is yielded takes a name and how many more of it are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:,.0f}/s")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {name: progress.add_task(name, start=False, total=total, rate=0.0) for name, total in totals.items()}

        def advance(name: str, count: int) -> None:
            task = progress.tasks[tasks[name]]
            if not task.started:
                progress.start_task(task.id)
            progress.advance(task.id, count)
            progress.update(task.id, rate=task.completed / max(task.elapsed or 0, 1e-9))

        yield advance
