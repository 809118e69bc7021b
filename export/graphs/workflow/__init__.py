"""A saved NVTabular workflow as one ONNX graph: `compile_workflow(workflow, request_columns(features), path)`."""

from export.graphs.workflow.compile import compile_workflow
from export.graphs.workflow.request import RequestColumn, request_columns

__all__ = ["RequestColumn", "compile_workflow", "request_columns"]
