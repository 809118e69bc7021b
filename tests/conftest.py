"""Fixtures that every part of the suite shares."""

import signal
from pathlib import Path

import hypothesis
import pytest

from tests import orders
from tests.synthetic import fitted_data

# A shell that starts the suite in the background has its children ignore Ctrl-C; the commands under test must not.
signal.signal(signal.SIGINT, signal.default_int_handler)


# The same examples at every run: the gate must not fail for an example that no one has seen.
hypothesis.settings.register_profile("gate", derandomize=True, deadline=None)
hypothesis.settings.load_profile("gate")


@pytest.fixture(scope="session")
def synthetic_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a real `preprocessing fit` over a small log that has every kind of feature."""
    return fitted_data(tmp_path_factory.mktemp("synthetic"))


@pytest.fixture(scope="session")
def compiled_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without texts in the request: its workflow has an equal graph."""
    return fitted_data(tmp_path_factory.mktemp("compiled"), texts=False)


@pytest.fixture(scope="session")
def orders_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a log of orders without users, whose schema has no offline features."""
    return orders.fitted_orders(tmp_path_factory.mktemp("orders"), "orders")
