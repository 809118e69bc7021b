"""The rivals' environments: one virtual environment per rival under runs/rivals, with pinned versions.

    python -m benchmarks.rivals.environment recbole

`recbole.txt`, `replay.txt` and `rectools.txt` name every package. torch is the project's own version in each of them,
so that a comparison compares libraries. pip reads PIP_FIND_LINKS, where a CPU build of torch may lie. RecBole 1.2.1 is
installed without its declared dependencies: it pins ray below 2.7 for its tuner, which no runner calls.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stage.command import Parser, print_result, run_command
from stage.errors import BadInput, NaiadError

ROOT = Path(__file__).parents[2]
FOLDER = Path("runs/rivals")
RIVALS = ("recbole", "replay", "rectools")
LOCKS = Path(__file__).parent
TORCH = "torch=="


class RivalFailed(NaiadError):
    """A rival's installation or its run ended with an error."""


def python_of(name: str, folder: Path = FOLDER) -> Path:
    """Return the Python of a rival's environment; make the environment if it is absent or its pins have changed.

    Raises:
        BadInput: No such rival.
        RivalFailed: The installation failed.

    """
    if name not in RIVALS:
        raise BadInput(f"no rival is named {name!r}: choose from {', '.join(RIVALS)}")
    lock = LOCKS / f"{name}.txt"
    place = folder.absolute() / name
    python = place / "bin" / "python"
    stamp = place / "installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return python
    venv.create(place, with_pip=True, clear=True)
    torch = next(line for line in lock.read_text(encoding="utf-8").splitlines() if line.startswith(TORCH))
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    # torch with its dependencies: those of a build with CUDA are not in the list
    _call([*install, torch, "--constraint", str(lock)], name)
    _call([*install, "--no-deps", "--requirement", str(lock)], name)
    stamp.write_text(digest, encoding="utf-8")
    return python


def _call(command: list[str], name: str) -> None:
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise RivalFailed(f"{name}: pip could not install its environment; its message stands above")


def run(module: str, arguments: Sequence[object], *, folder: Path = FOLDER, threads: int | None = None) -> Any:
    """Run `benchmarks.rivals.MODULE` with its rival's Python and return the JSON of its last line.

    Args:
        module: `run_recbole`, `run_replay` or `run_rectools`.
        arguments: The module's command line.
        folder: Folder of the environments.
        threads: Number of threads of its numerical libraries; all processors by default.

    Raises:
        RivalFailed: It ended with an error; its messages stand on standard error.

    """
    command, environment = command_of(module, arguments, folder=folder, threads=threads)
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RivalFailed(f"{module} ended with exit code {done.returncode}; its message stands above")
    return last_line(done.stdout, module)


def command_of(
    module: str, arguments: Sequence[object], *, folder: Path = FOLDER, threads: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return a module's command line and environment variables; it runs in the project's root."""
    python = python_of(module.rsplit("_", 1)[-1], folder)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if threads:
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return [str(python), "-m", f"benchmarks.rivals.{module}", *map(str, arguments)], environment


@contextmanager
def serving(arguments: Sequence[object], *, folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """Serve a RecBole checkpoint while the block runs; yield the line that it printed when ready, with its `port`.

    Raises:
        RivalFailed: The server ended before it was ready.

    """
    command, environment = command_of("serve_recbole", arguments, folder=folder)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"port"'):
                yield json.loads(line)
                break
        else:
            raise RivalFailed(f"serve_recbole ended with exit code {process.wait()}; its message stands above")
    finally:
        process.terminate()
        process.wait()


def last_line(text: str, module: str) -> Any:
    """Return the JSON of the last line of a module's output.

    Raises:
        RivalFailed: The last line is no JSON object.

    """
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise RivalFailed(f"{module} printed {lines[-1:]} as its last line, expected one JSON object")
    return found


def main() -> None:
    parser = Parser(prog="python -m benchmarks.rivals.environment", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(RIVALS), metavar="NAME", help=f"of {', '.join(RIVALS)} (all)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the environments (%(default)s)")
    arguments = parser.parse_args()
    run_command(lambda: print_result({name: str(python_of(name, arguments.folder)) for name in arguments.names}))


if __name__ == "__main__":
    main()
