"""`python -m client describe`: the inputs and outputs of a model, with an example request."""

from __future__ import annotations

import argparse
import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.address import DEFAULT_HTTP_PORT, http_url, split_url
from client.connect import connect
from client.describe import (
    FeatureDescription,
    curl_line,
    describe_features,
    describe_outputs,
    example_request,
    http_body,
    infer_url,
)
from client.errors import InvalidRequest
from client.request_tensors import build_tensors
from client.signature import ITEM_ID, SCORE, Signature
from stage.command import print_result

_CURL_NULLS = 'no tensor may be absent: "" is a null string, NaN a null number, shape [1,0] with [] an empty list'


def describe(options: argparse.Namespace) -> int:
    """Print a table of features, the outputs, an example request as JSON and as curl; then everything as JSON."""
    with connect(options, options.model) as client:
        signature = client.signature
        features = describe_features(signature, client.sequence_lengths())
    outputs = describe_outputs(signature)
    example, body = example_request(signature), http_body(signature)
    url = infer_url(http_url(options.url), options.model)
    Console().print(_table(options.model, features))
    print(f"\n{options.model} returns, for up to {signature.max_batch_size} requests at once:")
    for name, meaning in outputs.items():
        print(f"  {name}: {meaning}")
    taken = _is_taken(signature, example)
    if taken:
        print("\nA request, to be saved as request.json, with your own ids and values in place of these:\n")
        print(json.dumps(example, indent=2, ensure_ascii=False))
        print(f"\n  python -m client recommend --model {options.model} --url {options.url} --request request.json")
    assumed = f" (HTTP on its default port {DEFAULT_HTTP_PORT})" if split_url(options.url)[0] == "grpc" else ""
    print(f"\n{'The same' if taken else 'A request'} by curl{assumed}, where {_CURL_NULLS}:\n")
    print(curl_line(url, body))
    result = {
        "model": options.model,
        "max_batch_size": signature.max_batch_size,
        "features": [vars(feature) for feature in features],
        "outputs": outputs,
        "request": example if taken else None,
        "curl": {"url": url, "body": body},
    }
    print_result(result)
    return 0


def _is_taken(signature: Signature, request: dict[str, object]) -> bool:
    """Return whether `recommend --request` can send the request; members of an ensemble take other tensors."""
    try:
        build_tensors(signature, [request])
    except InvalidRequest:
        return False
    return ITEM_ID in signature.outputs and SCORE in signature.outputs


def _table(model: str, features: list[FeatureDescription]) -> Table:
    table = Table(title=f"{model} takes", title_justify="left")
    table.add_column("feature", no_wrap=True)
    for column in ("type", "may be absent", "without it"):
        table.add_column(column)
    for feature in features:
        may = "no" if feature.required else "yes"
        table.add_row(Text(feature.name), Text(feature.kind), may, Text(feature.absent))
    return table
