"""Whatever answers at the url, and however, the client says so in one line; no exception of a library escapes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import numpy as np
import pytest

from client import InvalidRequest, InvalidUrl, NotTriton, RecommendClient, RequestTimeout, ServerUnavailable
from client.cli import main

HTML = b"<html><body>Welcome</body></html>"


def page(status: str, body: bytes, kind: str = "text/html", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode() + body


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(30):
        time.sleep(0.1)
        connection.sendall(b"x")


OTHERS: dict[str, bytes] = {
    "a proxy's page": page("200 OK", HTML),
    "a page that is not found": page("404 Not Found", HTML),
    "a page that asks for a login": page("401 Unauthorized", b'{"message": "who are you"}', "application/json"),
    "an error that is no text": page("400 Bad Request", b'{"error": {"code": 7}}', "application/json"),
    "a redirect": page("302 Found", b""),
    "nothing, with status 200": page("200 OK", b""),
    "JSON of another kind": page("200 OK", b'["a", 1]', "application/json"),
    "JSON that is cut": page("200 OK", b'{"name": "tri', "application/json"),
    "JSON that is not UTF-8": page("200 OK", b'{"name": "\xe9"}', "application/json"),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
}
GONE: dict[str, bytes] = {
    "nothing at all": b"",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-",
    "half a body": page("200 OK", b'{"name": "tri', "application/json", length=500),
    "a gateway without its server": page("502 Bad Gateway", HTML),
}


@contextmanager
def answering(answer: bytes | Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of the loopback where every connection gets `answer` to its first bytes and is then closed."""

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                answer(connection) if callable(answer) else connection.sendall(answer)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*arguments, "--retries", "0", "--timeout", "2"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("naiad: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("command", ["health", "describe"])
@pytest.mark.parametrize("answer", OTHERS.values(), ids=OTHERS.keys())
def test_another_service_at_an_http_url_is_distinguished_from_a_triton_server(
    answer: bytes, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(answer) as port:
        message = one_line([command, "--url", f"http://127.0.0.1:{port}"], capsys)
    assert f"http://127.0.0.1:{port}: answers, but not as a Triton server (" in message
    assert message.endswith("): give the HTTP port of `serving up`\n")


@pytest.mark.parametrize("answer", GONE.values(), ids=GONE.keys())
def test_an_http_server_that_breaks_off_is_unavailable_and_asked_again(
    answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def count(connection: socket.socket) -> None:
        asked.append(1)
        connection.sendall(answer)

    with answering(count) as port:
        url = f"http://127.0.0.1:{port}"
        with RecommendClient(url, retries=1) as client, pytest.raises(ServerUnavailable, match=url):
            client.is_ready()
        assert len(asked) >= 2
        one_line(["health", "--url", url], capsys)


@pytest.mark.parametrize("answer", [*OTHERS.values(), *GONE.values()], ids=[*OTHERS.keys(), *GONE.keys()])
def test_whatever_answers_at_a_grpc_url_gets_one_line(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(answer) as port:
        message = one_line(["health", "--url", f"grpc://127.0.0.1:{port}"], capsys)
    if answer.startswith((b"HTTP", b"SSH")):
        assert "answers, but not as a Triton server (Failed parsing HTTP/2" in message
        assert message.endswith("): give the gRPC port of `serving up`\n")


def test_an_answer_that_drips_is_a_timeout_of_the_whole_call() -> None:
    with answering(drip) as port, RecommendClient(f"http://127.0.0.1:{port}", timeout_s=0.4) as client:
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match=r"no answer in 0\.4 s"):
            client.server()
        assert time.monotonic() - started < 1.5


@contextmanager
def grpc_service(answer: Callable[[grpc.ServicerContext], bytes] | None) -> Iterator[str]:
    class Anything(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            return answer and grpc.unary_unary_rpc_method_handler(lambda _request, context: answer(context))

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Anything()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def cancelled(context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.CANCELLED, "going down")
    return b""


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (None, NotTriton, r"answers, but not as a Triton server \(Method not found!\): give the gRPC port"),
        (lambda _: b"\xff\xff", NotTriton, "answers, but not as a Triton server"),
        (cancelled, ServerUnavailable, r"ends the connection before the answer does \(going down\)"),
    ],
    ids=["another service", "other messages", "cancelled"],
)
def test_another_grpc_service_is_distinguished_from_a_triton_server(
    answer: Callable[[grpc.ServicerContext], bytes] | None, error: type[Exception], message: str
) -> None:
    with (
        grpc_service(answer) as url,
        RecommendClient(url, retries=0) as client,
        pytest.raises(error, match=message) as raised,
    ):
        client.is_ready()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://host:443", "the client does not speak TLS"),
        ("grpcs://host:443", "the client does not speak TLS"),
        ("http://me:secret@host:1", r"'http://\*\*\*@host:1': has a user or password"),
        ("grpc://me@host:1", "has a user or password"),
        ("http://[::1", "is no address"),
        ("http://host:0", "is no address"),
        ("http://ho st:1", "is no address"),
        ("http://host:1?model=a", "is no address"),
        ("", "is no address"),
    ],
)
def test_a_url_that_the_client_cannot_use_is_refused_with_the_reason_and_without_its_password(
    url: str, message: str
) -> None:
    with pytest.raises(InvalidUrl, match=message) as refusal:
        RecommendClient(url)
    assert "secret" not in str(refusal.value)
    assert "give grpc://host:port or http://host:port" in str(refusal.value)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_an_array_that_no_tensor_can_hold_is_refused_by_name(scheme: str) -> None:
    with (
        RecommendClient(f"{scheme}://127.0.0.1:1") as client,
        pytest.raises(InvalidRequest, match="hour: seen ndarray of complex128: give an array of numbers"),
    ):
        client.infer("recommend", {"hour": np.zeros((1, 1), dtype=np.complex128)})


class LikeTriton(BaseHTTPRequestHandler):
    """Triton's answers about health, with one model whose readiness is not what the index says."""

    INDEX = (
        {"name": "decode", "version": "1", "state": "READY"},
        {"name": "ranker", "version": "1", "state": "READY"},
        {"name": "torn", "version": "1", "state": "UNAVAILABLE", "reason": "no such file"},
        {"name": "old", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "never asked for"},
    )

    def do_GET(self) -> None:
        dead = "/models/ranker/" in self.path
        self.answer(400 if dead else 200, {"name": "triton", "version": "2.51.0"} if self.path == "/v2" else None)

    def do_POST(self) -> None:
        self.answer(200, list(self.INDEX))

    def answer(self, status: int, content: object) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_health_names_the_models_that_do_not_say_ready_whatever_the_index_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with HTTPServer(("127.0.0.1", 0), LikeTriton) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            assert main(["health", "--url", f"http://127.0.0.1:{server.server_port}"]) == 1
        finally:
            server.shutdown()
            serving.join()
    *_, said, last = capsys.readouterr().out.splitlines()
    assert said == "not ready: ranker, torn"
    result = json.loads(last)
    assert (result["ready"], result["not_ready"]) == (False, ["ranker", "torn"])
    assert result["models"]["ranker"] == "NOT READY"
    assert result["models"]["decode"] == "READY"
