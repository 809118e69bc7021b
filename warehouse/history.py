"""The history of embeddings: user and item vectors in a warehouse, one partition per run, complete or absent.

    with open_warehouse("duckdb:///history.duckdb") as warehouse:
        warehouse.write_run(Run("shop", "2024-05-01", "r17"), {"user": batches_of_users, "item": batches_of_items})
        warehouse.neighbours("item", "milk", k=10)
        warehouse.drift("user", "ann", "2024-04-01", "2024-05-01")

`batches_of_…` are Arrow record batches with `id` (strings) and `vector` (lists of D floats). They are streamed to
staging tables, and one transaction publishes these together with their manifest rows. Vectors are stored as float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from warehouse.address import Address, warehouse_address
from warehouse.connect import open_session
from warehouse.errors import PartitionError, TableError, VectorError, WarehouseError
from warehouse.partition import BATCH_ROWS, Partition, Run, Tally
from warehouse.session import Session
from warehouse.statements import KINDS, MANIFEST, MANIFEST_COLUMNS, VECTOR_COLUMNS, vector_table

if TYPE_CHECKING:
    import pyarrow as pa

AGAIN = "write the run again with overwrite"


@dataclass(frozen=True)
class Moved:
    """An id with a cosine distance, from 0 (same direction) to 2 (opposite)."""

    id: str
    distance: float


@dataclass(frozen=True)
class Drift:
    """The movement of vectors between two runs; `distance` is None if no id was given."""

    before: Partition
    after: Partition
    distance: float | None
    most: list[Moved]


class Warehouse:
    """The vector tables of one session; `open_warehouse` makes it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a run that is not complete is discarded."""
        self._session.close()

    @property
    def address(self) -> Address:
        return self._session.address

    def write_run(
        self, run: Run, vectors: Mapping[str, Iterable[pa.RecordBatch]], overwrite: bool = False
    ) -> list[Partition]:
        """Write the partitions of a run, all of them or none; `vectors`: kind ("user", "item") -> its batches.

        With `overwrite`, they replace the run's partitions of both kinds; nothing else changes. Raises
        `PartitionError` if the run exists already, `VectorError` if vectors cannot be stored.
        """
        if not vectors or not set(vectors) <= set(KINDS):
            raise VectorError(f"{run}: kinds {sorted(vectors)}, expected some of {list(KINDS)}")
        session = self._session
        session.prepare()
        self._require_tables()

        def refuse() -> None:
            rows = dict(session.rows(session.statements.rows_of_run(run.experiment, run.run)))
            if not overwrite and any(rows.values()):
                state = "exists already" if rows[MANIFEST] else "is half-written"
                raise PartitionError(f"{run} {state} in {self.address}: give another --run, or --overwrite")

        refuse()
        now = datetime.now(UTC)
        staging: dict[str, str] = {}
        try:
            partitions = []
            for kind, batches in vectors.items():
                staging[kind] = session.stage(kind)
                partitions.append(self._staged(run, kind, batches, staging[kind], now))
            session.publish(session.statements.publish(partitions, staging), refuse)
        finally:
            for name in staging.values():
                # The first error counts; a broken session cannot drop its staging tables.
                with suppress(Exception):
                    session.drop(name)
        return partitions

    def _staged(self, run: Run, kind: str, batches: Iterable[pa.RecordBatch], staging: str, now: datetime) -> Partition:
        tally = Tally(f"the {kind} vectors of {run}")
        self._session.append(staging, tally.batches(batches))
        if not tally.vectors or tally.width is None:
            raise VectorError(f"{tally.what}: there are none, give at least one")
        for id_, count in self._session.rows(self._session.statements.doubled_ids(staging)):
            raise VectorError(f"{tally.what}: id {id_!r} occurs {count} times, give every id once")
        return Partition(run.experiment, run.run, run.release, kind, now, tally.vectors, tally.width, tally.digest)

    def partitions(self) -> list[tuple[Partition, bool]]:
        """Return every partition, oldest first, and whether it is complete; vectors without a manifest row are not."""
        self._require_tables()
        rows = self._session.rows(self._session.statements.manifest())
        listed = [_partition(row) for row in rows]
        measured = {kind: self._measured(kind) for kind in KINDS}
        out = [(each, measured[each.kind].pop((each.experiment, each.run), None) == _promised(each)) for each in listed]
        epoch = datetime.fromtimestamp(0, UTC)
        for kind, left in measured.items():
            for (experiment, run), (count, least, _) in sorted(left.items()):
                out.append((Partition(experiment, run, "?", kind, epoch, count, least or 0, ""), False))
        return out

    def partition(self, kind: str, run: str | None = None, experiment: str | None = None) -> Partition:
        """Return a complete partition, by default the newest; `PartitionError`: missing, incomplete or ambiguous."""
        if kind not in KINDS:
            raise PartitionError(f"kind {kind!r}: give one of {', '.join(KINDS)}")
        found = [
            (each, whole)
            for each, whole in self.partitions()
            if each.kind == kind and run in (None, each.run) and experiment in (None, each.experiment)
        ]
        asked = f"{kind} vectors" + (f" of run {run!r}" if run else "")
        if not found:
            inside = f" of experiment {experiment!r}" if experiment else ""
            raise PartitionError(f"no {asked}{inside} in {self.address}: see `python -m warehouse runs`")
        experiments = sorted({each.experiment for each, _ in found})
        if len(experiments) > 1:
            raise PartitionError(
                f"{asked} are of the experiments {', '.join(experiments)}: say which with --experiment"
            )
        newest, whole = max(found, key=lambda pair: pair[0].created_at)
        if not whole:
            why = "the manifest does not state this number and width of vectors"
            raise PartitionError(f"{newest} in {self.address} are half-written ({why}): {AGAIN}")
        return newest

    def read(
        self,
        kind: str,
        run: str | None = None,
        experiment: str | None = None,
        width: int | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Yield a partition's `id` and `vector` (fixed-size lists of float32), by id; check them against the manifest.

        Raises `VectorError` before reading if the vectors are not `width` wide, and `PartitionError` at
        the end if they are not those that were written.
        """
        import pyarrow as pa

        stored = self.partition(kind, run, experiment)
        if width not in (None, stored.width):
            raise VectorError(f"{stored} are {stored.width} wide, expected {width}: give the run of the same model")
        tally = Tally(str(stored), stored.width)
        sql = self._session.statements.vectors(kind, stored.experiment, stored.run)
        for batch in tally.batches(self._session.batches(sql, batch_rows)):
            values = pa.FixedSizeListArray.from_arrays(pa.array(batch.matrix.ravel()), stored.width)
            yield pa.record_batch({"id": pa.array(batch.ids), "vector": values})
        if (tally.vectors, tally.digest) != (stored.vectors, stored.digest):
            raise PartitionError(f"{stored} in {self.address} are not those that were written: {AGAIN}")

    def neighbours(
        self, kind: str, id_: str, k: int = 10, run: str | None = None, experiment: str | None = None
    ) -> list[Moved]:
        """Return the k vectors with the smallest cosine distance in the id's partition, without itself; exact."""
        stored = self.partition(kind, run, experiment)
        self._require_id(stored, id_)
        statements = self._session.statements
        return self._moved(statements.neighbours(kind, stored.experiment, stored.run, id_, _at_least_one(k)))

    def drift(
        self, kind: str, id_: str | None, before: str, after: str, k: int = 10, experiment: str | None = None
    ) -> Drift:
        """Return the cosine distance of an id's vectors in two runs (none for zeros), and the k ids that moved most."""
        old, new = (self.partition(kind, run, experiment) for run in (before, after))
        if old.width != new.width:
            raise VectorError(f"{old} are {old.width} wide, {new} {new.width}: compare runs of one model")
        statements, runs = self._session.statements, [(each.experiment, each.run) for each in (old, new)]
        distance = None
        if id_ is not None:
            for each in (old, new):
                self._require_id(each, id_)
            of_id = self._moved(statements.drift(kind, runs[0], runs[1], id_, 1))
            distance = of_id[0].distance if of_id else None
        most = self._moved(statements.drift(kind, runs[0], runs[1], None, _at_least_one(k)))
        return Drift(old, new, distance, most)

    def _moved(self, sql: str) -> list[Moved]:
        return [Moved(id_, float(distance)) for id_, distance in self._session.rows(sql)]

    def _measured(self, kind: str) -> dict[tuple[str, str], tuple[int, int | None, int | None]]:
        rows = self._session.rows(self._session.statements.measured(kind))
        return {(experiment, run): (count, least, greatest) for experiment, run, count, least, greatest in rows}

    def _require_id(self, stored: Partition, id_: str) -> None:
        sql = self._session.statements.ids(stored.kind, stored.experiment, stored.run, id_)
        if self._session.rows(sql) == [(0,)]:
            raise VectorError(f"no id {id_!r} in {stored}: give an id of the run")

    def _require_tables(self) -> None:
        expected = {MANIFEST: MANIFEST_COLUMNS, **{vector_table(kind): VECTOR_COLUMNS for kind in KINDS}}
        for table, columns in expected.items():
            there = self._session.columns(table)
            if not there:
                raise TableError(
                    f"no table {table} in {self.address}: write a run's vectors first, with `export embeddings`"
                )
            for column in columns:
                if column not in there:
                    raise TableError(f"no column {column!r} in table {table} of {self.address}: give another warehouse")


def open_warehouse(url: str, read_only: bool = False) -> Warehouse:
    """Connect to the warehouse of a URL (see `warehouse.address`); `read_only` lets others read a DuckDB file."""
    return Warehouse(open_session(warehouse_address(url), read_only))


def _partition(row: Sequence[Any]) -> Partition:
    """Return a row of the manifest."""
    kind, experiment, run, release, created_at, vectors, width, digest = row
    return Partition(experiment, run, release, kind, created_at.astimezone(UTC), vectors, width, digest)


def _promised(partition: Partition) -> tuple[int, int, int]:
    return partition.vectors, partition.width, partition.width


def _at_least_one(k: int) -> int:
    if k < 1:
        raise WarehouseError(f"k = {k}: give 1 or more")
    return k
