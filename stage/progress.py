"""Progress bars on standard error: of named steps, of things that are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Report = Callable[[str], None]
"""Says which step begins."""


@contextmanager
def steps(task: str) -> Iterator[Report]:
    """Show the step that is under way and how many are done; `task` stands in front."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed} done"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        shown = progress.add_task(task, total=None)
        started = False

        def step(name: str) -> None:
            nonlocal started
            progress.update(shown, description=f"{task}: {name}", advance=int(started))
            started = True

        yield step
        done = progress.tasks[shown].completed + int(started)
        progress.update(shown, description=f"{task}: done", completed=done, total=done)


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
