"""Start and end of the real server: nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.server import run_triton
from tests.integration.doubling import CHECKOUT, command


@contextmanager
def running(repository: Path, scratch: Path) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """A ready `python -m serving up`, and the process ids of all that it started."""
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command("--repository", repository),
        cwd=CHECKOUT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(4)]
            assert "ready after" in said[0]
            below = descendants(process.pid)
            names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in below]
            assert "tritonserver" in names
            assert sum(name.startswith("triton_python_b") for name in names) == 1
            yield process, below
        finally:
            process.kill()


def descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *descendants(child)]
    return found


def wait_until_gone(pids: list[int], within_s: float) -> list[int]:
    """Return who is still there in the end (a zombie is gone)."""
    give_up_at = time.monotonic() + within_s
    while True:
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists() and state(pid) != "Z"]
        if not alive or time.monotonic() > give_up_at:
            return alive
        time.sleep(0.05)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def shared_memory(pids: list[int]) -> list[Path]:
    """The shared memory that the processes have mapped."""
    maps = "\n".join(Path(f"/proc/{pid}/maps").read_text() for pid in pids)
    return sorted({Path(line.split()[-1]) for line in maps.splitlines() if "/dev/shm/" in line})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_after_a_signal(good: Path, tmp_path: Path, number: signal.Signals) -> None:
    with running(good, tmp_path / "scratch") as (process, below):
        regions = shared_memory(below)
        assert regions
        process.send_signal(number)
        code = process.wait(20)
        assert wait_until_gone(below, within_s=15) == []
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        assert list((tmp_path / "scratch").iterdir()) == []
        assert [region for region in regions if region.exists()] == []


def test_a_server_that_dies_is_reported_and_takes_its_stubs_along(good: Path, tmp_path: Path) -> None:
    with running(good, tmp_path / "scratch") as (process, below):
        regions = shared_memory(below)
        triton = next(pid for pid in below if Path(f"/proc/{pid}/comm").read_text().strip() == "tritonserver")
        os.kill(triton, signal.SIGKILL)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 2
        assert said.splitlines()[-1].startswith("naiad: Triton was killed by SIGKILL")
        assert wait_until_gone(below, within_s=0) == []
        assert list((tmp_path / "scratch").iterdir()) == []
        assert [region for region in regions if region.exists()] == []


def test_a_child_of_the_killed_parent_does_not_keep_the_server_alive(good: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from serving.server import run_triton\n"
        "with run_triton(sys.argv[1], grace_s=0) as server:\n"
        "    child = os.fork() or time.sleep(60)\n"
        "    print(server.pid, child, flush=True)\n"
        "    time.sleep(60)\n"
    )
    arguments = [sys.executable, "-c", script, str(good)]
    with subprocess.Popen(arguments, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        server, child = map(int, process.stdout.readline().split())
        below = [server, *descendants(server)]
        process.kill()
        process.wait(10)
        try:
            assert wait_until_gone(below, within_s=10) == []
        finally:
            os.kill(child, signal.SIGKILL)


def test_stubs_end_when_even_the_supervisor_is_killed(good: Path, tmp_path: Path) -> None:
    with running(good, tmp_path / "scratch") as (process, below):
        supervisor = below[0]
        os.kill(supervisor, signal.SIGKILL)
        assert process.wait(20) == 2
        assert wait_until_gone(below, within_s=15) == []


def test_urls_answer_on_free_ports_and_two_servers_stand_side_by_side(good: Path) -> None:
    with run_triton(good, grace_s=0) as one, run_triton(good, grace_s=0) as two:
        assert one.grpc_url != two.grpc_url
        assert one.grpc_url.startswith("grpc://127.0.0.1:")
        assert urllib.request.urlopen(f"{one.http_url}/v2/models/double/ready").status == 200
        assert b"nv_inference_count" in urllib.request.urlopen(two.metrics_url).read()
        assert one.embedded
        pids = [one.pid, two.pid]
    assert wait_until_gone(pids, within_s=1) == []


def test_a_tritonserver_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.launch import find_triton

    embedded = find_triton()
    library_path = embedded.env["LD_LIBRARY_PATH"]
    script = tmp_path / "bin" / "tritonserver"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{library_path}" exec "{embedded.command[0]}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    (tmp_path / "empty").mkdir()
    with run_triton(tmp_path / "empty", model_control="explicit", grace_s=0) as server:
        assert not server.embedded
        assert server.is_ready()
