"""Output for any terminal: characters that its encoding lacks are replaced, and the last line stays valid JSON."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping

from stage import command


def speak_any_terminal() -> None:
    """Let stdout show "?" and stderr an escape for a character that the encoding lacks, instead of an error."""
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def print_result(result: Mapping[str, object]) -> None:
    """Print the last line of a command: one JSON object, escaped if stdout cannot encode it."""
    try:
        json.dumps(result, ensure_ascii=False).encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        print(json.dumps(result), flush=True)
    else:
        command.print_result(result)


def note(text: str) -> None:
    """Print a note for the user on stderr."""
    print(f"note: {text}", file=sys.stderr)
