"""Progress bars on standard error, for named steps and for counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Report = Callable[[str], None]
"""Says which step begins."""


@contextmanager
def steps(task: str) -> Iterator[Report]:
    """Show `task`, the current step and the number of finished steps."""
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
    """Show a bar for each name; yield a function that takes a name and the number of further finished things."""
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
