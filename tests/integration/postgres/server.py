"""A PostgreSQL server for the tests: available binaries, a temporary folder, a free loopback port."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

DEBIAN = Path("/usr/lib/postgresql/15/bin")
DEBIAN_EXTENSION = Path("/usr/share/postgresql/15/extension/vector.control")


class NoPostgres(Exception):
    """There are no binaries, and they cannot be installed; the message says why."""


@dataclass(frozen=True)
class Binaries:
    """The folder of `initdb` and `postgres`, and why they have no pgvector; empty where they have it."""

    folder: Path
    without_pgvector: str = ""


def bring_postgres() -> Binaries:
    """Debian 12's PostgreSQL with pgvector, else that of the wheel `pgserver`, else what can be installed."""
    if (DEBIAN / "postgres").is_file() and DEBIAN_EXTENSION.is_file():
        return Binaries(DEBIAN)
    if (wheel := _wheel()) and (wheel / "share/postgresql/extension/vector.control").is_file():
        return Binaries(wheel / "bin")
    _install(DEBIAN / "postgres", "postgresql-15")
    try:
        _install(DEBIAN_EXTENSION, "postgresql-15-pgvector")
    except NoPostgres as error:
        return Binaries(DEBIAN, without_pgvector=f"no wheel of pgserver; {error}")
    return Binaries(DEBIAN)


def _wheel() -> Path | None:
    """Where the wheel's PostgreSQL is; only its files count, so that it is not imported."""
    spec = find_spec("pgserver")
    return Path(spec.origin).parent / "pginstall" if spec and spec.origin else None


def _install(file: Path, package: str) -> None:
    if file.is_file():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoPostgres(f"no {file}, and only root can `apt-get install {package}`")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for line in (["update"], ["install", "-y", "--no-install-recommends", package]):
        try:
            done = subprocess.run(["apt-get", "-qq", *line], env=quiet, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise NoPostgres(f"`apt-get {line[0]}` took too long for {package}") from None
        if done.returncode and line[0] == "install":
            reason = (done.stderr.splitlines() or ["no reason given"])[-1]
            raise NoPostgres(f"`apt-get install {package}`: {reason}")
    if not file.is_file():
        raise NoPostgres(f"{package} is installed and {file} is not there")


@contextmanager
def postgres_server(binaries: Binaries) -> Iterator[str]:
    """Start a server; the URL of its server with the superuser's name and password, to which a database is added."""
    folder = Path(tempfile.mkdtemp(prefix="naiad-postgres-"))
    try:
        password = secrets.token_hex(8)
        (folder / "password").write_text(password)
        programs = _within_reach(binaries.folder, folder)
        as_user = _unprivileged(folder)
        _run([*as_user, programs / "initdb", "-D", folder / "data", "-U", "naiad", "-E", "UTF8", "--locale=C",
              "--no-sync", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"])  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["-D", folder / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                   "-c", f"unix_socket_directories={folder}"]  # fmt: skip
        with (folder / "server.log").open("w") as log:
            server = subprocess.Popen([*as_user, programs / "postgres", *options], stdout=log, stderr=log, cwd="/")
        try:
            url = f"postgres://naiad:{password}@127.0.0.1:{port}"
            _wait(server, url, folder / "server.log")
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect(url: str) -> psycopg.Connection:
    """A connection that commits every statement."""
    import psycopg

    return psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True)


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements; the last one's rows."""
    with connect(url) as connection:
        for sql in statements:
            last = connection.execute(sql)
        return last.fetchall() if last.description else []


def _within_reach(programs: Path, folder: Path) -> Path:
    """The programs, copied into the folder where root's virtual environment may be closed to the unprivileged user."""
    if os.geteuid() != 0 or programs == DEBIAN:
        return programs
    installed = programs.parent
    packages = installed.parent.parent
    # The programs find their share and libraries by the way from themselves, as it is in the wheel.
    shutil.copytree(installed, folder / "pgserver" / installed.name, ignore=shutil.ignore_patterns("include", "*.a"))
    if (libraries := packages / "pgserver.libs").is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / "pgserver" / installed.name / programs.name


def _unprivileged(folder: Path) -> list[str | Path]:
    """What stands before a command so that root does not run it: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _run(line: list[str | Path]) -> None:
    done = subprocess.run(line, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(done.stderr)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            connect(f"{url}/postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.1)
        else:
            return
