"""The launch of a Triton: the command, its environment, and the files that it needs.

`tritonserver` on PATH is preferred (NVIDIA's image). Else the Triton inside the nvidia-pytriton wheel is used; only
files of the wheel are touched, none of its Python code is imported.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import BackendsError, LibpythonMissingError, PythonVersionError, TritonNotFoundError
from serving.native_backends import VARIABLE, find_native_backends, lay_out_native

SCRATCH = "{scratch}"
"""Placeholder for the server's private directory, which the supervisor creates and substitutes."""

REPOSITORY_LINK = "repository"
"""Link in the private directory to a repository whose own path does not work for model processes."""

BACKENDS = Path(__file__).parent / "backends"
EMBEDDED_BACKENDS = ("onnxruntime", "pytorch")


@dataclass(frozen=True)
class Launch:
    """The recipe to start one Triton.

    Attributes:
        command: The program, and the arguments that depend on its origin.
        env: The whole environment of the server.
        copies: Path under the scratch directory -> file to copy there.
        links: Path under the scratch directory -> file or directory to link there.
        embedded: Whether this is the Triton of the nvidia-pytriton wheel.
        native: Its backends that are NVIDIA's own.

    """

    command: list[str]
    env: dict[str, str]
    copies: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    embedded: bool = False
    native: tuple[str, ...] = ()


def find_triton(backends: Path | None = None) -> Launch:
    """Find `tritonserver` on PATH, else the one in the nvidia-pytriton wheel.

    Args:
        backends: Folder of native backends for the embedded server; None: the one that the environment variable
            NAIAD_BACKENDS names, if set (a tritonserver on PATH has its own and ignores it).

    Raises:
        BackendsError: The folder has none, or was given for a tritonserver on PATH.
        TritonNotFoundError: There is neither.
        PythonVersionError: The wheel has no stub for this Python.
        LibpythonMissingError: This Python's shared library was not found.

    """
    # ONNX Runtime 1.32 and newer also report to Microsoft from Linux, unless this is set before its import.
    env = {"ORT_DISABLE_TELEMETRY": "1", **os.environ}
    on_path = shutil.which("tritonserver")
    if on_path is not None:
        if backends is not None:
            raise BackendsError(
                f"{on_path} has backends of its own: leave out --backends, or add `-- --backend-directory={backends}`"
            )
        return Launch([on_path], env)
    if backends is None and env.get(VARIABLE):
        backends = Path(env[VARIABLE])
    return _embedded(_wheel(), env, {} if backends is None else find_native_backends(backends))


def _wheel() -> Path:
    spec = importlib.util.find_spec("pytriton")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "tritonserver" / "bin" / "tritonserver").is_file():
            return Path(place) / "tritonserver"
    raise TritonNotFoundError(
        "there is no tritonserver on PATH and no nvidia-pytriton in this Python: "
        "run in NVIDIA's tritonserver image or `pip install nvidia-pytriton==0.7.0`"
    )


def _embedded(wheel: Path, env: dict[str, str], native: dict[str, Path]) -> Launch:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        known = ", ".join(sorted(path.name for path in (wheel / "python_backend_stubs").iterdir()))
        raise PythonVersionError(f"nvidia-pytriton has no stub for Python {version} (it has {known}): use one of these")
    # Triton refuses a backend library that is a link out of its backend directory: copy these.
    # A program that imported one of them has left bytecode next to it.
    files = (file for file in (wheel / "backends" / "python").iterdir() if file.is_file())
    copies = {f"backends/python/{file.name}": str(file) for file in files}
    copies[f"backends/python/{stub.name}"] = str(stub)
    links = {f"backends/{name}": str(BACKENDS / name) for name in EMBEDDED_BACKENDS if name not in native}
    for name, folder in native.items():
        more_copies, more_links = lay_out_native(name, folder)
        copies.update(more_copies)
        links.update(more_links)
    # The stub's working directory, the scratch directory, is first on its sys.path: our backends
    # find their shared modules there as serving.backends, and no file of the user shadows them.
    links["serving/__init__.py"] = str(BACKENDS.parent / "__init__.py")
    links["serving/backends"] = str(BACKENDS)
    command = [
        str(wheel / "bin" / "tritonserver"),
        f"--backend-directory={SCRATCH}/backends",
        f"--cache-directory={wheel / 'caches'}",
    ]
    env = {name: value for name, value in env.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    libraries = [str(wheel.parent.parent / "nvidia_pytriton.libs"), str(find_libpython().parent)]
    libraries += map(str, native.values())
    env["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, *filter(None, [env.get("LD_LIBRARY_PATH")])])
    # The stub uses the packages of the first python3 on PATH.
    if sys.prefix != sys.base_prefix:
        python_folder = str(Path(sys.prefix) / "bin")
    else:
        links["bin/python3"] = sys.executable
        python_folder = f"{SCRATCH}/bin"
    env["PATH"] = os.pathsep.join([python_folder, env.get("PATH", os.defpath)])
    return Launch(command, env, copies, links, embedded=True, native=tuple(native))


def find_libpython() -> Path:
    """Return this Python's shared library, to which the stub is linked (libpython3.11.so.1.0).

    Raises:
        LibpythonMissingError: It is neither in Python's own folders nor in the system loader's cache.

    """
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    folders = [
        sysconfig.get_config_var("LIBDIR") or "",
        str(Path(sys.base_prefix) / "lib"),
        *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep),
    ]
    for folder in filter(None, folders):
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    for line in _loader_cache().splitlines():
        found = re.match(rf"\s*{re.escape(name)} .*=> (?P<path>/\S+)", line)
        if found and Path(found["path"]).is_file():
            return Path(found["path"])
    raise LibpythonMissingError(
        f"{name} was not found (looked in {', '.join(filter(None, folders))} and the loader's cache): install it "
        f"(Debian: apt install {name.removesuffix('.so.1.0')}; pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared)"
    )


def _loader_cache() -> str:
    ldconfig = shutil.which("ldconfig", path=os.pathsep.join([os.environ.get("PATH", ""), "/sbin", "/usr/sbin"]))
    if ldconfig is None:
        return ""
    return subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
