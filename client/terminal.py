"""Output that no terminal can fail on: what its encoding lacks is replaced, the last line stays the JSON that it is."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping

from stage import command


def speak_any_terminal() -> None:
    """Let stdout show "?" for a character that its encoding lacks, and stderr an escape, in place of an error."""
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def print_result(result: Mapping[str, object]) -> None:
    """Print the last line of a command: one JSON object, escaped where stdout cannot encode it as it is."""
    try:
        json.dumps(result, ensure_ascii=False).encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        print(json.dumps(result), flush=True)
    else:
        command.print_result(result)


def note(text: str) -> None:
    """Print something that the reader should know, on stderr."""
    print(f"note: {text}", file=sys.stderr)
