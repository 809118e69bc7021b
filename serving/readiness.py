"""The readiness of one server: its own process listens on the ports, and Triton reports that its models are ready.

Another process that answers on a port (a second server, started at the same moment) does not count. The supervisor
uses this module too, so it imports only the standard library.
"""

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path

_LISTEN = "0A"


def is_ready(pid: int, host: str, ports: Sequence[int]) -> bool:
    """Return whether Triton and its models are ready, and process `pid` or one below it owns the ports.

    Args:
        pid: Process id of tritonserver.
        host: Address of the server.
        ports: HTTP first.

    """
    return _says_ready(host, ports[0]) and set(ports) <= listening_ports(pid)


def _says_ready(host: str, port: int) -> bool:
    try:
        return ask(host, port, "GET /v2/health/ready")[0] == 200
    except (OSError, ValueError):
        return False


def ask(host: str, port: int, request: str, body: bytes = b"", timeout_s: float = 2.0) -> tuple[int, bytes]:
    """Send one HTTP request, `METHOD /path`; return the status and the body of the answer.

    It does not use `http.client`, whose import takes longer than the whole start of the supervisor.

    Raises:
        OSError: Nothing answers in time.
        ValueError: The answer is not HTTP.

    """
    head = f"{request} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    start, _, content = answer.partition(b"\r\n\r\n")
    protocol, status, *_ = *start.split(maxsplit=2), b"", b""
    if not protocol.startswith(b"HTTP/"):
        raise ValueError(f"{host}:{port} answered {answer[:20]!r}, which is not HTTP")
    return int(status), content


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports on which process `pid` or one below it listens."""
    owned = {link for each in (pid, *descendants(pid)) for link in _sockets(each)}
    ports = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and f"socket:[{fields[9]}]" in owned:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _sockets(pid: int) -> set[str]:
    links = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                links.add(str(entry.readlink()))
    return links


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`, zombies included."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


def children(pid: int) -> list[int]:
    """Return the child processes of `pid` that it has not collected."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found
