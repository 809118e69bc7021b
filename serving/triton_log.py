"""Triton's log: the models that did not load, and the reasons."""

import re

_LOAD_FAILED = re.compile(r"failed to load '(?P<model>[^']+)'(?: version (?P<version>\d+))?: (?P<reason>.*)")
_ENSEMBLE_FAILED = re.compile(r"ensemble '(?P<model>[^']+)' (?P<reason>depends on '[^']+' which has no loaded version)")
_POLL_FAILED = re.compile(r"Poll failed for model directory '(?P<model>[^']+)': (?P<reason>.*)")
_TAKEN = re.compile(r"[:' ](\d+)'? already in use")
_SEVERE = re.compile(r"^[EF]\d{4} ")
_PREFIX = re.compile(r"^[A-Z]\d{4} [\d:.]+ \d+ [\w.]+:\d+\] ")
_WRAPPED = re.compile(r"^(Internal|Invalid argument|Unavailable|Unsupported|Not found): ")
# Printed on every machine without a GPU; they are no errors.
_HARMLESS = ("CudaDriverHelper has not been initialized", "Failed to initialize NVML")


def failed_models(log: str) -> dict[str, str]:
    """Return, for each model that did not load, the first line of Triton's reason.

    An ensemble that fails only because a member failed comes after the member.
    """
    reasons: dict[str, str] = {}
    for line in log.splitlines():
        found = _LOAD_FAILED.search(line) or _ENSEMBLE_FAILED.search(line) or _POLL_FAILED.search(line)
        if found is None or not _SEVERE.match(line):
            continue
        first = found["reason"].strip().strip('"').split("\\n")[0].strip()
        reasons.setdefault(found["model"], _WRAPPED.sub("", first).removeprefix("ValueError: "))
    return reasons


def taken_ports(log: str) -> list[int]:
    """Return the ports on which another process listens, so that Triton could not."""
    return [int(port) for port in _TAKEN.findall(log)]


def error_lines(log: str, limit: int = 40) -> list[str]:
    """Return Triton's error lines, with Python tracebacks expanded; at most the last `limit` lines."""
    lines: list[str] = []
    for line in log.splitlines():
        if any(harmless in line for harmless in _HARMLESS):
            continue
        if _SEVERE.match(line):
            text = _PREFIX.sub("", line).strip().strip('"')
            lines += [part for part in text.split("\\n") if part.strip()]
        elif line.startswith("error:"):
            lines.append(line)
    return lines[-limit:]


def last_lines(log: str, limit: int = 15) -> list[str]:
    """Return the last informative lines, without table borders and without the usage text after a wrong option."""
    before_usage = log.partition("Usage: tritonserver")[0]
    lines = [line for line in (before_usage.strip() or log).splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(("+", "|"))][-limit:]
