"""The session in BigQuery: batches are loaded into a staging table, and one script publishes them in a transaction."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from warehouse.address import Address
from warehouse.dialects import BIGQUERY
from warehouse.partition import Batch
from warehouse.session import driver_errors
from warehouse.statements import Statements

if TYPE_CHECKING:
    import pyarrow as pa


class BigQuerySession:
    """A session that uses Ibis's client with the application default credentials."""

    def __init__(self, address: Address) -> None:
        import google.auth
        import ibis
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        self.address = address
        self._errors = (GoogleAPIError, GoogleAuthError)
        project, dataset = address.path.strip("/").split("/")[:2]
        self.statements = Statements(BIGQUERY, (project, dataset))
        with self._driver_errors("log in with `gcloud auth application-default login`"):
            credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/bigquery"])
            self.ibis: Any = ibis.bigquery.connect(project_id=project, dataset_id=dataset, credentials=credentials)
        self._client: Any = self.ibis.client

    def prepare(self) -> None:
        for sql in self.statements.create():
            self.rows(sql)

    def columns(self, table: str) -> dict[str, str]:
        source, name = self.statements.table("INFORMATION_SCHEMA"), self.statements.literal(table)
        return dict(
            self.rows(
                f"SELECT column_name, data_type FROM {source}.COLUMNS WHERE table_name = {name} "
                "ORDER BY ordinal_position"
            )
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._driver_errors("give a dataset that you may use"):
            return [tuple(row.values()) for row in self._client.query_and_wait(sql)]

    def batches(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        with self._driver_errors("give a dataset that you may use"):
            yield from self._client.query_and_wait(sql, page_size=rows).to_arrow_iterable()

    def stage(self, kind: str) -> str:
        staging = self.statements.table(f"naiad_staging_{kind}_{uuid.uuid4().hex}")
        self.rows(self.statements.create_staging(staging))
        return staging

    def append(self, staging: str, batches: Iterable[Batch]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from google.cloud import bigquery

        parquet = bigquery.ParquetOptions()
        parquet.enable_list_inference = True
        job = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            parquet_options=parquet,
        )
        for batch in batches:
            file = io.BytesIO()
            vectors = pa.array(list(batch.matrix.astype("float64")), type=pa.list_(pa.float64()))
            pq.write_table(pa.table({"id": batch.ids, "vector": vectors}), file)
            file.seek(0)
            with self._driver_errors("nothing was written, try again"):
                self._client.load_table_from_file(file, staging.replace("`", ""), job_config=job).result()

    def drop(self, staging: str) -> None:
        self.rows(f"DROP TABLE IF EXISTS {staging}")

    def publish(self, statements: list[str], refuse: Callable[[], None]) -> None:
        refuse()
        self.rows(script(statements))

    def close(self) -> None:
        self._client.close()

    def _driver_errors(self, remedy: str) -> AbstractContextManager[None]:
        return driver_errors(self.address, self._errors, remedy)


def script(statements: list[str]) -> str:
    """Run all statements or none: BigQuery rolls back a transaction if its script fails."""
    return ";\n".join(["BEGIN TRANSACTION", *statements, "COMMIT TRANSACTION"]) + ";"
