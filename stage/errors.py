"""The root of our errors.

    NaiadError
    ├── BadInput (ValueError)          the input of a stage cannot be used
    │   ├── OutputError                    stage.write_errors
    │   ├── ParquetError                   stage.parquet
    │   ├── StoreError                     stage.mlflow_store
    │   ├── SchemaError                    preprocessing.schema_errors
    │   ├── WarehouseError                 warehouse.errors
    │   ├── RankError                      metrics.ranks
    │   └── …                              each stage adds its leaves
    ├── ServingError                   serving.errors: no ready server
    └── ClientError                    client.errors: no answer from the server

A message is one line: the thing seen, what was expected, the remedy.
"""


class NaiadError(Exception):
    """An error that the user can fix; its message is one line."""


class BadInput(NaiadError, ValueError):
    """The given input cannot be used; the message names it and the remedy."""
