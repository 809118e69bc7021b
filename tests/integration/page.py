"""The shell commands of a page of docs, run as a reader would copy them: ours in process, servers in the background."""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from tests.in_process import run_in_process

ROOT = Path(__file__).parents[2]
START_S = 60


def shell_blocks(page: str) -> dict[str, list[list[str]]]:
    """The commands of each ```sh block of a page in docs/, by the heading above it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found: dict[str, list[list[str]]] = {}
    for section in re.split(r"^(?=#{1,3} )", text, flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0].lstrip("# ")
        blocks = re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
        if blocks:
            found[heading] = [block.splitlines() for block in blocks]
    return found


@dataclass
class Shell:
    """Variables, servers and free ports of one reader; commands run in the current folder.

    `added`: words for a command of ours, such as ("training", "fit"). `ports`: a port of the page -> the one in use.
    """

    added: Mapping[tuple[str, str], Sequence[str]]
    ports: dict[int, int]
    variables: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, commands: Sequence[str]) -> list[str]:
        """Run one command after the other; the standard output of each, "" of a server."""
        return [self._run(self._filled_in(command)) for command in commands]

    def url(self, port: int) -> str:
        """The address of what the page has on a gRPC `port`."""
        return f"grpc://127.0.0.1:{self.ports[port]}"

    def _filled_in(self, command: str) -> str:
        text = Template(command).safe_substitute(self.variables)
        return re.sub(r"\b80\d\d\b", lambda shown: str(self.ports[int(shown[0])]), text)

    def _run(self, command: str) -> str:
        if assigned := re.fullmatch(r"(\w+)=(\S+)", command):
            self.variables[assigned[1]] = assigned[2]
            return ""
        if not command.startswith("python -m "):
            return subprocess.run(["bash", "-ec", command], check=True, capture_output=True, text=True).stdout
        package, name, *words = shlex.split(command)[2:]
        words += self.added.get((package, name), ())
        if package == "serving":
            self._serve([name, *words])
            return ""
        done = run_in_process(package, name, *words)
        if done.returncode:
            raise CommandFailed(done.stderr)
        return done.stdout

    def _serve(self, words: Sequence[str]) -> None:
        http = int(words[words.index("--http-port") + 1]) if "--http-port" in words else self.ports[8000]
        if "--http-port" not in words:
            defaults = zip(("--http-port", "--grpc-port", "--metrics-port"), (8000, 8001, 8002), strict=True)
            words = [*words, *(word for flag, port in defaults for word in (flag, str(self.ports[port])))]
        command = [sys.executable, "-m", "serving", *words]
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
        self.servers.append(server)
        give_up_at = time.monotonic() + START_S
        while not _ready(http):
            assert server.poll() is None, f"{shlex.join(command)} ended with {server.returncode}"
            assert time.monotonic() < give_up_at, f"{shlex.join(command)} is not ready"
            time.sleep(0.05)

    def stop_servers(self) -> None:
        """Ctrl-C in every server's terminal."""
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(START_S)
        self.servers.clear()


def last_json(output: str) -> dict[str, Any]:
    """The line of JSON that a command of ours ends with."""
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def free_ports(shown: Sequence[int]) -> dict[int, int]:
    """A free port for each one that a page shows."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in shown]
        return {port: each.getsockname()[1] for port, each in zip(shown, sockets, strict=True)}


def _ready(http_port: int) -> bool:
    with contextlib.suppress(OSError):
        url = f"http://127.0.0.1:{http_port}/v2/health/ready"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    return False


class CommandFailed(Exception):
    """A command of the page was refused; what it wrote to standard error."""
