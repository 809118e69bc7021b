"""Execution of the fit's tasks: in this process, in local worker processes, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from preprocessing.nvtabular_engine import import_nvtabular
from stage.errors import BadInput

if TYPE_CHECKING:
    from distributed import Client
    from rich.console import Console
    from rich.status import Status

Item = TypeVar("Item")
Result = TypeVar("Result")


class ClusterError(BadInput):
    """The Dask cluster cannot be used."""


class Tasks:
    """Map a function over arguments with a progress bar; results are in the order of the arguments."""

    def __init__(self, client: Client | None, workers: int) -> None:
        self._client = client
        self.workers = workers

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], doing: str) -> list[Result]:
        from rich.progress import track

        def progress(steps: Any) -> Any:
            # Closed before an error is reported; otherwise the bar would be drawn again after it.
            return closing(track(steps, description=f"{doing:<24}", total=len(items), console=_console()))

        if self._client is None:
            with progress(items) as steps:
                return [function(item) for item in steps]
        from distributed import as_completed

        futures = self._client.map(function, items, pure=False)
        with progress(as_completed(futures)) as steps:
            for future in steps:
                if future.status == "error":
                    error = future.exception()
                    self._client.cancel(futures)
                    raise error
        return [future.result() for future in futures]


def busy(doing: str) -> Status:
    """Show `doing` while the block runs, for a step of this process without parts to count."""
    return _console().status(doing)


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def tasks(scheduler: str | None = None, workers: int = 1) -> Iterator[Tasks]:
    """Yield tasks on the cluster at `scheduler` ("tcp://host:port"), else on `workers` processes here (1: this one).

    NVTabular finds the same cluster by itself. Workers read and write the folders that this process names, and import
    this package: several machines need a shared file system and the same checkout.
    """
    if workers < 1:
        raise ClusterError(f"--workers {workers}: give 1 or more")
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield _tasks(client, scheduler)
        return
    if workers == 1:
        yield Tasks(None, 1)
        return
    import logging

    from distributed import Client, LocalCluster

    # On a busy machine a worker ends slowly, and asyncio logs that it is still waited for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            # A task returns its own errors; the other log lines are about workers that end slowly.
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield _tasks(client, cluster.scheduler_address)


def _connected(scheduler: str) -> Client:
    from distributed import Client

    try:
        return Client(scheduler, timeout=5)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler at {scheduler} ({error}): start `dask scheduler`") from None


def _tasks(client: Client, scheduler: str) -> Tasks:
    from distributed import fire_and_forget

    workers = list(client.scheduler_info()["workers"])
    if not workers:
        raise ClusterError(f"the Dask scheduler at {scheduler} has no workers: start `dask worker {scheduler}`")
    for worker in workers:
        # Its import takes seconds: the workers do it while this process reads the log.
        fire_and_forget(client.submit(import_nvtabular, workers=[worker], pure=False))
    return Tasks(client, len(workers))
