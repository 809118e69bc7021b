"""The reader of requests from a JSON file, for `recommend --request`."""

from __future__ import annotations

import json
from pathlib import Path

from client.errors import RecordedDataInvalid
from client.recorded import RecordedRow

_REMEDY = "give one object of feature values, or a list of them (`python -m client describe` prints an example)"


def read_requests(path: Path | str) -> list[RecordedRow]:
    """Return the requests of a JSON file: one object of feature values, or a list of them.

    Raises RecordedDataInvalid if the file cannot be read, is not UTF-8 or JSON, or contains anything else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecordedDataInvalid(f"{path}: {error.strerror}: give a JSON file with a request") from None
    except UnicodeDecodeError as error:
        raise RecordedDataInvalid(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    if not text.strip():
        raise RecordedDataInvalid(f"{path}: is empty: {_REMEDY}")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise RecordedDataInvalid(f"{path}: not JSON ({error}): {_REMEDY}") from None
    except RecursionError:
        raise RecordedDataInvalid(f"{path}: is nested too deeply for a request: {_REMEDY}") from None
    requests = content if isinstance(content, list) else [content]
    if not requests or not all(isinstance(request, dict) for request in requests):
        raise RecordedDataInvalid(f"{path}: contains no request: {_REMEDY}")
    return [RecordedRow(request) for request in requests]
