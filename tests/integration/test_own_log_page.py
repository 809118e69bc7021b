"""The commands of docs/your-own-log.md, from a CSV without a schema to curl's answer."""

import json
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serving.server import run_triton
from tests.in_process import run_in_process
from tests.integration.page import Shell, last_json

ROOT = Path(__file__).parents[2]
# What makes the chain quick and keeps MLflow's store out of it.
QUICK = {
    "training fit": ["--epochs", "1", "--dim", "16", "--no-tracking"],
    "export repository": ["--no-reference-path", "--no-stored-embeddings"],
}


def blocks() -> list[str]:
    page = (ROOT / "docs" / "your-own-log.md").read_text(encoding="utf-8")
    return [part.partition("```")[0].strip() for part in page.split("```sh\n")[1:]]


def write_log(path: Path) -> None:
    random = np.random.default_rng(2)
    count = 600
    log = pd.DataFrame({"user": random.choice(["ann", "bob", "eve", "joe"], count)})
    log["item"] = random.choice(["mug", "tea", "pot", "jam", "bun", "oat", "egg", "rye"], count)
    log["time"] = pd.Timestamp("2024-03-01 08:00") + pd.to_timedelta(np.arange(count) * 5, "h")
    log.to_csv(path, index=False)


def write_orders(path: Path) -> None:
    random = np.random.default_rng(4)
    products = ["mug", "tea", "pot", "jam", "bun", "oat", "egg", "rye"]
    rows = [
        (f"r{order}", product)
        for order in range(120)
        for product in random.choice(products, random.integers(2, 5), replace=False)
    ]
    pd.DataFrame(rows, columns=["receipt", "product"]).assign(step=range(len(rows))).to_csv(path, index=False)


def test_the_page_leads_from_orders_of_nobody_without_times_to_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_orders(tmp_path / "orders.csv")
    monkeypatch.chdir(tmp_path)
    *_, commands = blocks()
    added = {("training", "fit"): QUICK["training fit"]}
    drafted, fitted, _, evaluated = map(last_json, Shell(added, {}).run(commands.splitlines()))
    assert drafted["to_choose"] == 0
    assert [fitted[f"{split}_rows"] for split in ("train", "validation", "test")] == [90, 6, 24]
    assert (fitted["users"], evaluated["rows"]) == (0, 24)


def test_the_page_leads_from_a_csv_to_an_answer_of_curl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "log.csv")
    monkeypatch.chdir(tmp_path)
    chain, curl, _ = blocks()
    commands = [line.removeprefix("python -m ") for line in chain.splitlines() if line.startswith("python -m ")]
    assert [command.split(" --")[0] for command in commands] == [
        "preprocessing schema", "preprocessing fit", "training fit", "training evaluate", "export repository",
        "serving up",
    ]  # fmt: skip
    for command in commands[:-1]:
        more = QUICK.get(command.split(" --")[0], [])
        done = run_in_process(*shlex.split(command), *more)
        assert done.returncode == 0, (command, done.stderr)
    with run_triton(tmp_path / "runs" / "mine" / "repository", grace_s=0) as server:
        asked = curl.replace("localhost:8000", server.http_url.removeprefix("http://"))
        answer = json.loads(subprocess.run(["bash", "-c", asked], capture_output=True, check=True).stdout)
    outputs = {each["name"]: each["data"] for each in answer["outputs"]}
    assert sorted(filter(None, outputs["item_id"])) == ["bun", "egg", "jam", "mug", "oat", "pot", "rye", "tea"]
    assert outputs["score"][:8] == sorted(outputs["score"][:8], reverse=True)
