"""Fixtures that every part of the suite shares."""

from pathlib import Path

import pytest

from tests.synthetic import fitted_data


@pytest.fixture(scope="session")
def synthetic_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a real `preprocessing fit` over a small log that has every kind of feature."""
    return fitted_data(tmp_path_factory.mktemp("synthetic"))
