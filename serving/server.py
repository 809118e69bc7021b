"""The server: start a Triton on a model repository, wait until it is ready, stop it."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from serving.errors import PortTakenError
from serving.launch import REPOSITORY_LINK, SCRATCH, find_triton
from serving.log_file import open_log, require_outside
from serving.ports import choose_ports
from serving.repository import check_repository, is_plain
from serving.triton_server import TritonServer

__all__ = ["ModelControl", "TritonServer", "run_triton"]

ModelControl = Literal["none", "poll", "explicit"]
PORT_ATTEMPTS = 3


@contextlib.contextmanager
def run_triton(
    repository: Path | str,
    *,
    http_port: int | None = None,
    grpc_port: int | None = None,
    metrics_port: int | None = None,
    address: str = "127.0.0.1",
    model_control: ModelControl = "none",
    load_models: Sequence[str] = (),
    auto_complete_config: bool = False,
    log_file: Path | None = None,
    backends: Path | None = None,
    timeout_s: float = 120.0,
    grace_s: float = 10.0,
    triton_args: Sequence[str] = (),
) -> Iterator[TritonServer]:
    """Serve `repository` while the block runs; for a port that is None, a free one is chosen.

    Every model has to load (with model control "explicit", those of `load_models`). When a model's process dies,
    Triton is restarted on the same ports; until it is ready, nothing listens there. The server, its stubs and its
    private directory are removed after the block, and also if this process is killed.

    Args:
        repository: Directory with one directory per model.
        http_port: Port of HTTP.
        grpc_port: Port of gRPC.
        metrics_port: Port of the Prometheus metrics.
        address: Interface to listen on.
        model_control: Triton's `--model-control-mode`.
        load_models: Models to load at the start with model control "explicit".
        auto_complete_config: Let backends complete a partial config.pbtxt; each Python model then starts twice.
        log_file: File to which Triton's log is appended; by default an unnamed file.
        backends: Folder of NVIDIA's own backends for the embedded server (see `serving.native_backends`); by default
            the one that the environment variable NAIAD_BACKENDS names, else our stand-ins.
        timeout_s: Seconds until the server must be ready.
        grace_s: Seconds for requests in flight and models' `finalize` at the end (Triton takes 2 to 3
            of them in any case); 0 ends it at once.
        triton_args: More arguments for tritonserver.

    Raises:
        ServingError: One of its leaves, before the block is entered.

    """
    directory = check_repository(Path(repository), empty_is_fine=model_control != "none" or auto_complete_config)
    if log_file is not None:
        require_outside(log_file, Path(repository))
    launch = find_triton(backends)
    served = str(directory)
    if not is_plain(served):
        launch.links[REPOSITORY_LINK] = served
        served = f"{SCRATCH}/{REPOSITORY_LINK}"
    arguments = [
        f"--model-repository={served}",
        f"--model-control-mode={model_control}",
        *(f"--load-model={name}" for name in load_models),
        *([] if auto_complete_config else ["--disable-auto-complete-config"]),
        "--exit-on-error=true",
        "--strict-readiness=true",
        f"--exit-timeout-secs={max(1, round(grace_s))}",
        *triton_args,
    ]
    with open_log(log_file) as log:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            ports = choose_ports(address, http_port, grpc_port, metrics_port)
            server = TritonServer(
                launch, arguments, address, ports, log,
                model_control=model_control, timeout_s=timeout_s, grace_s=grace_s,
            )  # fmt: skip
            try:
                server.wait_until_ready()
            except PortTakenError:
                # Another process took the free port between our choice and Triton's start.
                server.stop()
                log = log.from_here()
                if attempt == PORT_ATTEMPTS or None not in (http_port, grpc_port, metrics_port):
                    raise
            except BaseException:
                server.stop()
                raise
            else:
                break
        try:
            yield server
        finally:
            server.stop()
