"""The hops of a repository of several families: each is checked, those of shared models once."""

from types import SimpleNamespace
from typing import Any

import pytest

from export import families
from export.commands.opened import hops_of
from export.parity.hop import Hop, check_hops


def job_of_two(monkeypatch: pytest.MonkeyPatch, one: list[Hop], other: list[Hop]) -> Any:
    """A job whose families have these hops."""
    hops = {"one": one, "other": other}
    monkeypatch.setattr(families, "find", lambda name: SimpleNamespace(hops=lambda *_: hops[name]))
    return SimpleNamespace(plans=dict.fromkeys(hops))


def test_a_hop_of_a_shared_model_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one = [Hop("decode", lambda: 0.1, shared=True), Hop("ranker", lambda: 0.2)]
    job = job_of_two(monkeypatch, one, [Hop("decode", lambda: 0.3, shared=True), Hop("tower", lambda: 0.4)])
    assert check_hops(hops_of(job), lambda _: None) == {"decode": 0.1, "ranker": 0.2, "tower": 0.4}


@pytest.mark.parametrize("shared", [True, False])
def test_two_models_with_a_hop_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    job = job_of_two(monkeypatch, [Hop("ranker", lambda: 0.0)], [Hop("ranker", lambda: 0.0, shared=shared)])
    with pytest.raises(ValueError, match=r"^family other: another hop is named ranker too: give one"):
        hops_of(job)
