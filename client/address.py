"""Addresses of servers: their URLs, and the HTTP URL that belongs to a gRPC one."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from client.errors import InvalidUrl

DEFAULT_HTTP_PORT = 8000

_REMEDY = "give grpc://host:port or http://host:port"
_CREDENTIALS = re.compile(r"//[^/]*@")


def split_url(url: str) -> tuple[str, str]:
    """Return ("grpc" or "http", "host:port") of a URL such as grpc://127.0.0.1:8001.

    Raises InvalidUrl for anything else; the message does not repeat a password in the URL.
    """
    shown = repr(_CREDENTIALS.sub("//***@", url))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidUrl(f"url {shown}: is not the address of a server: {_REMEDY}") from None
    if "@" in parts.netloc:
        raise InvalidUrl(f"url {shown}: has a user or password, and the client sends none: {_REMEDY}")
    if parts.scheme in ("https", "grpcs"):
        raise InvalidUrl(f"url {shown}: the client does not speak TLS: {_REMEDY} of the server itself")
    named = host and not re.search(r"\s", host)
    if parts.scheme not in ("grpc", "http") or not named or not port or parts.path.strip("/") or "?" in url:
        raise InvalidUrl(f"url {shown}: is not the address of a server: {_REMEDY}")
    return parts.scheme, f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def http_url(url: str) -> str:
    """Return the HTTP URL of the server at `url`: itself, or the host of a gRPC URL with Triton's default port."""
    scheme, address = split_url(url)
    host = address.rpartition(":")[0]
    return f"http://{address}" if scheme == "http" else f"http://{host}:{DEFAULT_HTTP_PORT}"
