"""Every command in the README and the docs is valid."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.in_process import run_in_process

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def shown_commands(*pages: Path) -> list[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
    return sorted({line.split("#")[0].strip() for line in lines if line.startswith("python -m ")})


@cache
def help_of(*words: str) -> str:
    shown = run_in_process(*words, "--help")
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


@pytest.mark.parametrize("command", shown_commands(*PAGES))
def test_a_command_of_the_readme_or_the_docs_has_flags_that_exist(command: str) -> None:
    package, *rest = command.removeprefix("python -m ").split()
    subcommand = [rest[0]] if rest and not rest[0].startswith("-") else []
    said = help_of(package, *subcommand)
    for flag in re.findall(r"(?<=\s)--[a-z][a-z-]*", command):
        assert re.search(rf"{flag}\b", said), f"{package} {subcommand} has no {flag}"


def test_the_readme_shows_commands_and_links_that_exist() -> None:
    assert len(shown_commands(PAGES[0])) >= 6
    assert "@@" not in (ROOT / "README.md").read_text(encoding="utf-8")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
