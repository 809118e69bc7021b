"""The commands of docs/second-day.md on a tiny shop: retrain, compare, swap, go back."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from client import RecommendClient
from tests.integration.page import CommandFailed, Shell, free_ports, last_json, shell_blocks
from tests.integration.two_days import FRESH, GONE, SCHEMA, write_log

PAGE = shell_blocks("second-day.md")
SERVE, TRIAL, RELEASE = "Yesterday's server", "Measure with long periods", "Train on the newest data"
COMPARE, LIVE, REFRESH = (
    "Compare with yesterday's release",
    "One server on one address: `recommend_fused` by name",
    "Refresh less than everything",
)
OLD, NEW = "2026-11-27", "2026-11-28"
[VARIABLES] = PAGE["The second day"]
PORTS = (8000, 8001, 8002, 8010, 8011, 8012)
ADDED = {
    ("training", "fit"): ("--epochs", "1", "--dim", "16", "--no-tracking"),
    ("export", "repository"): ("--no-reference-path",),
    ("client", "evaluate"): ("--k", "5,10"),
}
REQUEST = {"user_id": "c1", "recent_items": ["p1", "p2"], "hour": 8}

Answer = tuple[tuple[str, ...], tuple[float, ...]]


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A reader of the page who released yesterday's log, and serves nothing."""
    folder = tmp_path_factory.mktemp("second-day")
    (folder / "exports").mkdir()
    (folder / "shop.toml").write_text(SCHEMA, encoding="utf-8")
    for day in (OLD, NEW):
        write_log(folder / f"exports/{day}.csv", date.fromisoformat(day), day == NEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        reader = Shell(ADDED, free_ports(PORTS))
        try:
            reader.run([line.replace(NEW, OLD) for line in VARIABLES])
            for block in PAGE[RELEASE]:
                reader.run(block)
            yield reader
        finally:
            reader.stop_servers()


@pytest.fixture(scope="module")
def kept(yesterday: Shell) -> dict[str, str]:
    """What yesterday's folders hold before anything of today is done."""
    return contents(yesterday.variables["new"])


@pytest.fixture(scope="module")
def shell(yesterday: Shell, kept: dict[str, str]) -> Shell:
    """The same reader, a day later: today's log is measured and released."""
    assert kept
    yesterday.run(VARIABLES)
    for block in (*PAGE[TRIAL], *PAGE[RELEASE]):
        yesterday.run(block)
    return yesterday


@pytest.fixture(scope="module")
def live(shell: Shell) -> Iterator[Shell]:
    """The same reader, who serves a copy of yesterday's release for swaps in place."""
    reader = Shell(ADDED, free_ports(PORTS), dict(shell.variables))
    try:
        reader.run(PAGE[LIVE][0])
        yield reader
    finally:
        reader.stop_servers()


class Asking(threading.Thread):
    """A client that sends one request after the other, to where it was moved last, and keeps every answer."""

    def __init__(self, url: str, model: str) -> None:
        super().__init__(daemon=True)
        self.url, self.model = url, model
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            url = self.url
            try:
                with RecommendClient(url, self.model, retries=0) as client:
                    while url == self.url and not self._ended.is_set():
                        self.answers.append(_answer(client))
            except Exception as error:
                self.failures.append(str(error))

    def next(self) -> Answer:
        """The answer to a request that is sent from now on."""
        enough, give_up_at = len(self.answers) + 2, time.monotonic() + 20  # the next one may be on its way already
        while len(self.answers) < enough:
            assert time.monotonic() < give_up_at, f"{self.url} does not answer: {self.failures[:3]}"
            time.sleep(0.01)
        return self.answers[-1]

    def __enter__(self) -> "Asking":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


def _answer(client: RecommendClient) -> Answer:
    [answer] = client.recommend([REQUEST])
    return answer.item_ids, answer.scores


def ask(url: str, model: str = "recommend") -> Answer:
    with RecommendClient(url, model) as client:
        return _answer(client)


def contents(folder: str) -> dict[str, str]:
    """SHA-256 by path, without the bytecode that a server leaves."""
    files = (path for path in Path(folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_command_of_the_page_is_run_here() -> None:
    assert list(PAGE) == ["The second day", SERVE, TRIAL, RELEASE, COMPARE, LIVE, REFRESH]


def test_an_item_of_the_last_week_is_in_the_release_and_not_in_the_model_that_was_measured(shell: Shell) -> None:
    new = shell.variables["new"]
    ids = {
        what: pd.read_parquet(folder / "items.parquet").set_index("item_id")["encoded_id"]
        for what, folder in (("trial", Path(new, "trial/data")), ("release", Path(new, "data")))
    }
    assert ids["trial"][FRESH] == 2
    assert ids["release"][FRESH] > 2
    assert GONE not in ids["release"].index


def test_clients_that_move_to_a_second_server_and_back_see_no_failure_and_no_mixed_release(
    shell: Shell, kept: dict[str, str]
) -> None:
    [[serve]], [serve_new, compare] = PAGE[SERVE], PAGE[COMPARE]
    shell.run([serve])
    before = ask(shell.url(8001))
    with Asking(shell.url(8001), "recommend") as asking:
        shell.run(serve_new)
        after = ask(shell.url(8011))
        for port, answer in ((8001, before), (8011, after), (8001, before)):
            asking.url = shell.url(port)
            assert asking.next() == answer
    health, of_old, of_new = (last_json(output) for output in shell.run(compare))
    assert health["ready"]
    assert of_old["rows"] == of_new["rows"]
    assert not asking.failures
    assert set(asking.answers) == {before, after}
    assert (GONE in before[0], FRESH in before[0]) == (True, False)
    assert (GONE in after[0], FRESH in after[0]) == (False, True)

    shell.stop_servers()
    shell.run([serve])
    assert ask(shell.url(8001)) == before
    assert contents(shell.variables["old"]) == kept
    shell.stop_servers()


def test_one_server_swaps_recommend_fused_and_goes_back_without_a_failure_or_a_mixed_release(live: Shell) -> None:
    folders = {name: contents(live.variables[name]) for name in ("old", "new")}
    _, swap, go_back = PAGE[LIVE]
    before = ask(live.url(8001), "recommend_fused")
    with Asking(live.url(8001), "recommend_fused") as asking:
        for block, name in ((swap, "new"), (go_back, "old")):
            assert digest(live.variables[name]) in live.run(block)[-1]
            answer = asking.next()
            assert (FRESH in answer[0]) == (name == "new")
    assert not asking.failures
    assert len(set(asking.answers)) == 2
    assert answer == before
    assert {name: contents(live.variables[name]) for name in folders} == folders


def test_an_older_folder_that_is_moved_into_place_is_not_loaded_and_the_digest_shows_it(live: Shell) -> None:
    _, swap, go_back = PAGE[LIVE]
    live.run(["cp -rT $new/repository runs/shop/live.older"])
    live.run(go_back)
    before = ask(live.url(8001), "recommend_fused")
    _copy, load, print_digest = swap
    live.run(["rm -rf runs/shop/live && mv runs/shop/live.older runs/shop/live", load])
    assert digest(live.variables["old"]) in live.run([print_digest])[0]
    assert ask(live.url(8001), "recommend_fused") == before


def test_stored_embeddings_are_refreshed_in_a_copy_of_the_release(shell: Shell) -> None:
    release = contents(shell.variables["new"])
    [block] = PAGE[REFRESH]
    [replaced] = last_json(shell.run(block)[-1])["families"].values()
    assert replaced["about"] == {"stored": {"users": 12}}
    assert replaced["plan"]["replaced"] is True
    assert contents(shell.variables["new"]) == release


def test_folders_of_two_days_are_refused_by_their_digests_as_the_page_says(shell: Shell) -> None:
    old, new = shell.variables["old"], shell.variables["new"]
    for command in (
        f"python -m training evaluate --data {new}/data --model {old}/model",
        f"python -m export repository --data {new}/data --model {old}/model --output refused",
        f"python -m export verify --data {new}/data --repository {old}/repository",
        f"python -m export embeddings --data {new}/data --repository {old}/repository --output refused.parquet",
    ):
        with pytest.raises(CommandFailed) as refused:
            shell.run([command])
        line = str(refused.value)
        assert f"was made with schema digest {digest(old)}, the data has {digest(new)}: use the folders of one" in line


def digest(release: str) -> str:
    return str(json.loads(Path(release, "data/schema.json").read_text(encoding="utf-8"))["digest"])
