"""The check of `client describe` for a served model: its examples are sent and get equal answers."""

from __future__ import annotations

import json
import shlex
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from client.cli import main
from serving.server import TritonServer


def described(server: TritonServer, model: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what `describe` says of a recommender, once its example request and its curl line gave one answer."""
    assert main(["describe", "--model", model, "--url", server.http_url]) == 0
    out = capsys.readouterr().out
    said: dict[str, Any] = json.loads(out.splitlines()[-1])

    [line] = [line for line in out.splitlines() if line.startswith("curl ")]
    _, _, url, _, body = shlex.split(line)
    assert (url, json.loads(body)) == (said["curl"]["url"], said["curl"]["body"])
    with urllib.request.urlopen(urllib.request.Request(url, body.encode())) as answer:
        outputs = {tensor["name"]: tensor["data"] for tensor in json.load(answer)["outputs"]}
    assert outputs.keys() == said["outputs"].keys()
    by_curl = [(item, score) for item, score in zip(outputs["item_id"], outputs["score"], strict=True) if item]
    assert by_curl

    shown = out[out.index("\n{\n") : out.index("\n}\n") + 2]
    assert json.loads(shown) == said["request"]
    (folder / "request.json").write_text(shown, encoding="utf-8")
    sent = ["recommend", "--model", model, "--request", str(folder / "request.json"), "--top", "1000"]
    assert main([*sent, "--url", server.grpc_url]) == 0
    [by_client] = json.loads(capsys.readouterr().out.splitlines()[-1])["recommendations"]
    assert by_client["item_ids"] == [item for item, _ in by_curl]
    assert by_client["scores"] == pytest.approx([score for _, score in by_curl], abs=1e-5)
    return said


def absences(said: dict[str, Any]) -> dict[str, str]:
    """What each feature's absence means, by its name."""
    return {feature["name"]: feature["absent"] for feature in said["features"]}
