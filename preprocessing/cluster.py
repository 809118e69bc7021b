"""Where the fit's tasks run: in this process, on worker processes here, or on a Dask cluster by its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from stage.errors import BadInput

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")


class ClusterError(BadInput):
    """The Dask cluster cannot be used."""


class Tasks:
    """Maps a function over arguments with a progress bar; results come in the order of the arguments."""

    def __init__(self, client: Client | None, workers: int) -> None:
        self._client = client
        self.workers = workers

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], doing: str) -> list[Result]:
        from rich.console import Console
        from rich.progress import track

        def progress(steps: Any) -> Any:
            return track(steps, description=f"{doing:<24}", total=len(items), console=Console(stderr=True))

        if self._client is None:
            return [function(item) for item in progress(items)]
        from distributed import as_completed

        futures = self._client.map(function, items, pure=False)
        for future in progress(as_completed(futures)):
            if future.status == "error":
                self._client.cancel(futures)
            future.result()
        return [future.result() for future in futures]


@contextmanager
def tasks(scheduler: str | None = None, workers: int = 1) -> Iterator[Tasks]:
    """Tasks on the cluster at `scheduler` ("tcp://host:port"), else on `workers` processes here (1: this process).

    NVTabular finds the same cluster by itself. Workers read and write the folders that this process names: on several
    machines that is a shared file system.
    """
    if scheduler is None and workers == 1:
        yield Tasks(None, 1)
        return
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"no Dask scheduler at {scheduler} ({error}): start `dask scheduler`") from None
        with client:
            count = len(client.scheduler_info()["workers"])
            if not count:
                raise ClusterError(f"the Dask scheduler at {scheduler} has no workers: start `dask worker {scheduler}`")
            yield Tasks(client, count)
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        yield Tasks(client, workers)
