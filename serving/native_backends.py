"""NVIDIA's own backends from a folder, instead of our stand-ins in the embedded server.

    DIR/onnxruntime/libtriton_onnxruntime.so
    DIR/pytorch/libtriton_pytorch.so

Each is optional; the libraries that a backend needs are next to it (libonnxruntime.so, libtorch.so).
"""

import os
from pathlib import Path

from serving.errors import BackendsError

NATIVE = {"onnxruntime": "libtriton_onnxruntime.so", "pytorch": "libtriton_pytorch.so"}
VARIABLE = "NAIAD_BACKENDS"


def find_native_backends(folder: Path) -> dict[str, Path]:
    """Return {backend: its folder} for each backend with a library in `folder`.

    Raises:
        BackendsError: There is none.

    """
    found = {
        name: (folder / name).absolute() for name, library in NATIVE.items() if (folder / name / library).is_file()
    }
    if not found:
        expected = " or ".join(f"{name}/{library}" for name, library in NATIVE.items())
        raise BackendsError(
            f"{folder} has no native backend: give a folder with {expected}, as NVIDIA's image has in "
            "/opt/tritonserver/backends, or leave out --backends and unset " + VARIABLE
        )
    return found


def lay_out_native(name: str, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the copies and links of one backend in the server's private directory (see `Launch`).

    Triton refuses a backend library that is a link out of its backend directory; libraries that it loads may be links.
    """
    copies: dict[str, str] = {}
    links: dict[str, str] = {}
    for entry in os.scandir(folder):
        place = f"backends/{name}/{entry.name}"
        (copies if entry.name == NATIVE[name] else links)[place] = entry.path
    return copies, links
