"""What holds of every family: its repository answers as torch does, and a file that was changed is refused by name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.families import NAMES
from preprocessing.schema import FIRST_KNOWN_ID
from tests.changed_files import change_model
from tests.families import FORMATS, REPOSITORIES, source, trained_models
from tests.latest import latest_requests


@dataclass(frozen=True)
class Exported:
    """A family of a repository: the job that verifies it, and what its hops find."""

    name: str
    job: Any

    @property
    def family(self) -> Any:
        from export.families import find

        return find(self.name)

    @property
    def plan(self) -> Any:
        return self.job.plans[self.name]

    def hops(self, job: Any) -> dict[str, Any]:
        return {hop.name: hop for hop in self.family.hops(job, self.plan)}

    def elsewhere(self, folder: Path) -> Any:
        """The same job of a copy: what was computed of the data stays, what was loaded of the repository does not."""
        job = replace(self.job, folder=folder)
        own = {field.name for field in fields(job)}
        vars(job).update({name: value for name, value in vars(self.job).items() if name not in {"local", *own}})
        return job


@pytest.fixture(scope="module", params=FORMATS)
def jobs(request: pytest.FixtureRequest, compiled_data: Path) -> Iterator[Any]:
    """A function from a family to the job of the repository that serves it; one job a repository."""
    from export.commands.opened import job_of, open_repository

    made: dict[Path, Any] = {}

    def job(family: str) -> Any:
        folder = REPOSITORIES[family](compiled_data, request.param)
        if folder not in made:
            made[folder] = job_of(open_repository(folder), source(family, compiled_data), folder, lambda _: None)
        return made[folder]

    return job


@pytest.fixture(params=NAMES)
def exported(request: pytest.FixtureRequest, jobs: Any) -> Exported:
    return Exported(request.param, jobs(request.param))


def test_every_model_of_a_family_has_a_hop_and_the_export_found_every_hop_within_the_tolerance(
    exported: Exported,
) -> None:
    written = json.loads((exported.job.folder / "verify.json").read_text(encoding="utf-8"))
    hops = exported.hops(exported.job)
    assert {config.name for config in exported.family.configs(exported.plan)} <= hops.keys()
    for name in hops:
        assert written["differences"][name] <= written["tolerance"] == 1e-4, name
    assert written["differences"]["torch_parts"] == 0
    assert written["rows"] == len(exported.job.requests.rows) > 40


def test_every_hop_refuses_by_name_once_its_file_is_changed(exported: Exported, tmp_path: Path) -> None:
    from export.errors import ParityError, RepositoryError
    from export.repository.linked_copy import copy_linked

    unnoticed = {}
    for name in exported.hops(exported.job):
        model = name if exported.job.local.holds(name) else _model_in_another_way(exported, name)
        folder = tmp_path / name
        folder.mkdir()
        copy_linked(exported.job.folder, folder, set())
        change_model(folder, _file_of(exported.job.local, model))
        try:
            unnoticed[name] = exported.hops(exported.elsewhere(folder))[name].check()
        except (ParityError, RepositoryError) as refusal:
            if not str(refusal).startswith((f"{model}: ", f"{model} of ")):
                unnoticed[name] = refusal
    assert unnoticed == {}


def _model_in_another_way(exported: Exported, hop: str) -> str:
    """The model that a hop with another name checks once more."""
    models = {config.name for config in exported.family.configs(exported.plan)}
    return max((model for model in models if hop.startswith(model)), key=len)


def _file_of(local: Any, model: str) -> str:
    """The model whose file is changed: of an ensemble its last member."""
    steps = local.config(model).steps
    return _file_of(local, steps[-1].model) if steps else model


def test_the_vectors_of_users_and_items_are_torch_s(exported: Exported, compiled_data: Path) -> None:
    from export.embeddings.batches import user_embeddings
    from training.checkpoint import load_whole

    if exported.family.vectors is None:
        pytest.skip("the family has no vectors")
    vectors, models = exported.family.vectors(exported.plan), trained_models(exported.name, compiled_data)
    latest = latest_requests(compiled_data)
    written = user_embeddings(exported.job.folder, compiled_data, vectors, size=7)
    found = {user: vector for batch in written.batches for user, vector in zip(batch.ids, batch.vectors, strict=True)}
    assert found.keys() == latest.keys()
    job = replace(exported.job, requests=replace(exported.job.requests, rows=list(latest.values())))
    torch_s = exported.family.reference(job, exported.plan, models).answers[vectors.tensor]
    np.testing.assert_allclose(np.stack([found[user] for user in latest]), torch_s, atol=1e-4)
    if vectors.items is not None:
        served = vectors.items.read(exported.job.folder, exported.job.fitted)
        catalogue = load_whole(models[exported.name].folder).catalogue().detach().numpy()
        np.testing.assert_allclose(served[FIRST_KNOWN_ID:], catalogue[FIRST_KNOWN_ID:], atol=1e-6)
