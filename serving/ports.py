"""The ports of a server: free ones are chosen, taken ones refused before the server starts."""

import contextlib
import errno
import socket
from dataclasses import dataclass

from serving.errors import AddressError, PortTakenError


@dataclass(frozen=True)
class Ports:
    """The three ports of one server."""

    http: int
    grpc: int
    metrics: int


def choose_ports(address: str, http: int | None, grpc: int | None, metrics: int | None) -> Ports:
    """Check the given ports and fill in the others (None) with free ones.

    Raises:
        PortTakenError: One of the given ports is in use, not allowed, outside 0..65535, or given twice.
        AddressError: This machine has no such address.

    """
    asked = {"--http-port": http, "--grpc-port": grpc, "--metrics-port": metrics}
    chosen: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        for flag, port in sorted(asked.items(), key=lambda item: item[1] is None):
            listener = held.enter_context(_bind(address, port, flag))
            chosen[flag] = int(listener.getsockname()[1])
    return Ports(chosen["--http-port"], chosen["--grpc-port"], chosen["--metrics-port"])


def _bind(address: str, port: int | None, flag: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port or 0))
        listener.listen(1)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        number = getattr(error, "errno", None)
        if isinstance(error, (socket.gaierror, UnicodeError)) or number == errno.EADDRNOTAVAIL:
            remedy = "pass --address 127.0.0.1, or 0.0.0.0 for all interfaces"
            raise AddressError(f"address '{address}' does not belong to this machine ({error}): {remedy}") from error
        remedy = f"stop what listens there or pass another {flag}"
        if isinstance(error, OverflowError):
            remedy = f"pass a {flag} from 1 to 65535, or 0 for a free one"
        elif number == errno.EACCES:
            remedy = f"pass a {flag} above 1023, which needs no privileges"
        raise PortTakenError(f"port {port} of {address} cannot be used ({error}): {remedy}") from error
    return listener
