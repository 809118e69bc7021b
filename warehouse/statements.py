"""The SQL of the vector tables, the same text for every warehouse except for the parts in `Dialect`.

    user_vectors, item_vectors   id, vector, experiment, run, release, created_at
    vector_runs                  the manifest, one row per partition: kind, experiment, run, release, created_at,
                                 vector_count, width, digest

A partition is the rows of one kind, experiment and run; it is complete if the manifest has the same number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.dialects import Dialect

if TYPE_CHECKING:
    from warehouse.partition import Partition

KINDS = ("user", "item")
MANIFEST = "vector_runs"
VECTOR_COLUMNS = ("id", "vector", "experiment", "run", "release", "created_at")
MANIFEST_COLUMNS = ("kind", "experiment", "run", "release", "created_at", "vector_count", "width", "digest")


def vector_table(kind: str) -> str:
    """Return the name of the table of a kind."""
    return f"{kind}_vectors"


@dataclass(frozen=True)
class Statements:
    """The statements of one warehouse; `schema` is the path in front of a table's name, such as (project, dataset)."""

    dialect: Dialect
    schema: tuple[str, ...] = ()

    def table(self, name: str) -> str:
        import sqlglot.expressions as sge

        parts = [sge.to_identifier(part, quoted=True) for part in (*self.schema, name)]
        return ".".join(part.sql(self.dialect.name) for part in parts)

    def literal(self, value: object) -> str:
        import sqlglot.expressions as sge

        return str(sge.convert(value).sql(self.dialect.name))

    def create(self) -> list[str]:
        """Return the statements that create the tables if they do not exist."""
        sql = self.dialect
        types = {"vector": sql.vector, "created_at": sql.instant, "vector_count": sql.whole, "width": sql.whole}
        return [
            f"CREATE TABLE IF NOT EXISTS {self.table(name)} ("
            + ", ".join(f"{column} {types.get(column, sql.text)}" for column in columns)
            + f"){sql.cluster}"
            for name, columns in (
                *((vector_table(kind), VECTOR_COLUMNS) for kind in KINDS),
                (MANIFEST, MANIFEST_COLUMNS),
            )
        ]

    def create_staging(self, staging: str) -> str:
        columns = f"id {self.dialect.text}, vector {self.dialect.vector}"
        return self.dialect.staging.format(table=staging, columns=columns)

    def doubled_ids(self, staging: str) -> str:
        return f"SELECT id, count(*) FROM {staging} GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1"

    def rows_of_run(self, experiment: str, run: str) -> str:
        """Select [name of the table, rows] of a run in each table, the manifest included."""
        return " UNION ALL ".join(
            f"SELECT {self.literal(name)}, count(*) FROM {self.table(name)} WHERE {self._of(experiment, run)}"
            for name in (MANIFEST, *map(vector_table, KINDS))
        )

    def publish(self, partitions: Sequence[Partition], staging: Mapping[str, str]) -> list[str]:
        """Return the statements of one transaction that replaces a run's partitions.

        staging: kind -> its staging table, of the columns `id` and `vector`.
        """
        first = partitions[0]
        tables = (MANIFEST, *map(vector_table, KINDS))
        out = [f"DELETE FROM {self.table(name)} WHERE {self._of(first.experiment, first.run)}" for name in tables]
        for each in partitions:
            constants = [each.experiment, each.run, each.release]
            values = ", ".join(map(self.literal, constants)) + f", {self._instant(each)}"
            out.append(
                f"INSERT INTO {self.table(vector_table(each.kind))} ({', '.join(VECTOR_COLUMNS)}) "
                f"SELECT id, vector, {values} FROM {staging[each.kind]}"
            )
            measured = ", ".join(map(self.literal, (each.vectors, each.width, each.digest)))
            out.append(
                f"INSERT INTO {self.table(MANIFEST)} ({', '.join(MANIFEST_COLUMNS)}) "
                f"VALUES ({self.literal(each.kind)}, {values}, {measured})"
            )
        return out

    def manifest(self) -> str:
        """Select every partition, the newest last: the manifest's columns."""
        columns = ", ".join(MANIFEST_COLUMNS)
        return f"SELECT {columns} FROM {self.table(MANIFEST)} ORDER BY created_at, experiment, run, kind"

    def measured(self, kind: str) -> str:
        """Select [experiment, run, rows, least width, greatest width] of every partition in the table of a kind."""
        width = self.dialect.width.format(v="vector")
        return (
            f"SELECT experiment, run, count(*), min({width}), max({width}) FROM {self.table(vector_table(kind))} "
            "GROUP BY experiment, run"
        )

    def vectors(self, kind: str, experiment: str, run: str) -> str:
        """Select [id, vector] of a partition, by id."""
        floats = self.dialect.floats.format(v="vector")
        source = self.table(vector_table(kind))
        return f"SELECT id, {floats} AS vector FROM {source} WHERE {self._of(experiment, run)} ORDER BY id"

    def ids(self, kind: str, experiment: str, run: str, id_: str) -> str:
        """Select the number of rows of an id in a partition."""
        source = self.table(vector_table(kind))
        return f"SELECT count(*) FROM {source} WHERE {self._of(experiment, run)} AND id = {self.literal(id_)}"

    def neighbours(self, kind: str, experiment: str, run: str, id_: str, k: int) -> str:
        """Select [id, distance] of the k nearest others in the same partition; a vector of zeros is near to nothing."""
        source = self.table(vector_table(kind))
        distance = self.dialect.distance.format(a="other.vector", b="probe.vector")
        return (
            f"WITH partition_of_run AS (SELECT id, vector FROM {source} WHERE {self._of(experiment, run)}), "
            f"probe AS (SELECT id AS probe_id, vector FROM partition_of_run WHERE id = {self.literal(id_)}), "
            f"near AS (SELECT other.id, {distance} AS distance FROM partition_of_run AS other CROSS JOIN probe "
            "WHERE other.id <> probe.probe_id) "
            # NaN is above every number in all three.
            f"SELECT id, distance FROM near WHERE distance < 3 ORDER BY distance, id LIMIT {k:d}"
        )

    def drift(self, kind: str, before: tuple[str, str], after: tuple[str, str], id_: str | None, k: int) -> str:
        """Select [id, distance] between two partitions (experiment, run): of one id, or of the k that moved most."""
        source = self.table(vector_table(kind))
        distance = self.dialect.distance.format(a="old.vector", b="new.vector")
        of_id = "" if id_ is None else f" AND id = {self.literal(id_)}"
        old, new = (f"(SELECT id, vector FROM {source} WHERE {self._of(*run)}{of_id})" for run in (before, after))
        return (
            f"WITH moved AS (SELECT new.id, {distance} AS distance FROM {old} AS old JOIN {new} AS new "
            "ON old.id = new.id) "
            f"SELECT id, distance FROM moved WHERE distance < 3 ORDER BY distance DESC, id LIMIT {k:d}"
        )

    def _of(self, experiment: str, run: str) -> str:
        return f"experiment = {self.literal(experiment)} AND run = {self.literal(run)}"

    def _instant(self, partition: Partition) -> str:
        return (
            f"CAST({self.literal(partition.created_at.isoformat(timespec='microseconds'))} AS {self.dialect.instant})"
        )
