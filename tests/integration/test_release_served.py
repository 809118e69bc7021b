"""A release without the reference path on the real server: it needs neither NVTabular nor pandas."""

import re
import shutil
from contextlib import suppress
from pathlib import Path

from client.recommend_client import RecommendClient
from export.families.offline_online.plan import RECOMMEND, RECOMMEND_FUSED, RECOMMEND_NVTABULAR
from export.parity.answers import golden_file, read_reference
from export.triton.plan import PREPROCESS_NVTABULAR
from serving.server import run_triton
from tests.exported import repository


def test_a_release_without_the_reference_path_is_served_without_nvtabular_and_pandas(
    compiled_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    nvtabular = shutil.ignore_patterns(PREPROCESS_NVTABULAR, RECOMMEND_NVTABULAR)
    shutil.copytree(repository(compiled_data, "onnx"), folder, ignore=nvtabular)
    assert not list(folder.rglob("*.pkl"))
    with run_triton(folder, grace_s=0) as server:
        row = read_reference(folder / golden_file("offline_online")).rows[20]
        for path in (RECOMMEND, RECOMMEND_FUSED):
            with RecommendClient(server.grpc_url, path) as client:
                [answer] = client.recommend([row])
            assert answer.item_ids[0]
        mapped = mapped_files(server.pid)
    # All but user_embedding, which is NumPy alone.
    assert sorted("onnxruntime" in files for files in mapped) == [False, *[True] * 7]
    for files in mapped:
        assert not re.search(r"pandas|nvtabular|libtorch|pyarrow", files)


def mapped_files(server: int) -> list[str]:
    """Of each stub that runs a model of the server, the files that it has mapped."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == server:
                found.append((process / "maps").read_text())
    return found
