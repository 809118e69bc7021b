"""`python -m serving up`: serve a model repository until Ctrl-C."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from stage.arguments import seconds
from stage.command import EXIT_BAD_INPUT, Parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (2: an error of the input or the machine, reported in one line)."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.load_model and arguments.model_control != "explicit":
        parser.error("--load-model is for explicit model control: add --model-control explicit")
    from serving.errors import ServingError, StartError

    # `kill` ends the server like Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        up(arguments)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    except ServingError as error:
        if isinstance(error, StartError):
            for line in error.log_lines:
                print(f"  {line}", file=sys.stderr)
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def up(arguments: argparse.Namespace) -> None:
    """Start the server, print its addresses, and wait until it ends or a signal arrives."""
    from rich.console import Console
    from rich.text import Text

    from serving.server import run_triton

    began = time.monotonic()
    status = Console(stderr=True).status(Text(f"Triton loads {arguments.repository}"))
    status.start()
    try:
        with run_triton(
            arguments.repository,
            http_port=arguments.http_port or None,
            grpc_port=arguments.grpc_port or None,
            metrics_port=arguments.metrics_port or None,
            address=arguments.address,
            model_control=arguments.model_control,
            load_models=arguments.load_model,
            auto_complete_config=arguments.auto_complete_config,
            log_file=arguments.log_file,
            backends=arguments.backends,
            timeout_s=arguments.timeout,
            triton_args=arguments.triton_args,
        ) as server:
            status.stop()
            kind = "embedded Triton" if server.embedded else "tritonserver on PATH"
            kind += "".join(f", native {name}" for name in server.native)
            print(f"ready after {time.monotonic() - began:.1f} s: {kind}, pid {server.pid}; Ctrl-C stops it")
            print(f"  gRPC     {server.grpc_url}")
            print(f"  HTTP     {server.http_url}")
            print(f"  metrics  {server.metrics_url}", flush=True)
            server.wait(say=lambda text: print(f"naiad: {text}", file=sys.stderr, flush=True))
    finally:
        status.stop()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"port {text!r} is invalid: give 1 to 65535, or 0 for a free one")
    return port


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m serving", description="Serve a model repository with Triton.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up_ = commands.add_parser("up", help="start Triton, wait until it is ready, serve until Ctrl-C")
    up_.add_argument("--repository", type=Path, required=True, help="directory with one directory per model")
    up_.add_argument("--address", default="127.0.0.1", help="interface to listen on (default: %(default)s)")
    for name, port in (("http", 8000), ("grpc", 8001), ("metrics", 8002)):
        up_.add_argument(
            f"--{name}-port", type=_port, default=port, metavar="PORT", help=f"0: a free one (default: {port})"
        )
    up_.add_argument(
        "--model-control",
        choices=["none", "poll", "explicit"],
        default="none",
        help="none: load all once; poll: follow changes of the repository; explicit: load by API (default: none)",
    )
    up_.add_argument(
        "--load-model", action="append", default=[], metavar="NAME", help="with explicit: load this model at the start"
    )
    up_.add_argument(
        "--auto-complete-config",
        action="store_true",
        help="let backends complete a partial config.pbtxt (slower start)",
    )
    up_.add_argument(
        "--backends",
        type=Path,
        metavar="DIR",
        help="serve with NVIDIA's own backends in this folder, DIR/onnxruntime and DIR/pytorch, instead of our "
        "stand-ins (default: $NAIAD_BACKENDS)",
    )
    up_.add_argument("--log-file", type=Path, help="append Triton's log to this file")
    up_.add_argument(
        "--timeout", type=seconds, default=120.0, metavar="SECONDS", help="seconds until ready (default: 120)"
    )
    up_.add_argument("triton_args", nargs="*", metavar="-- ARGUMENT", help="arguments passed to tritonserver")
    return parser
