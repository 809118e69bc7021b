"""Fixtures shared by the whole suite."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest

from tests.once import made_once

# A shell that starts the suite in the background has its children ignore Ctrl-C; the commands under test must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

# As many programs as cores run side by side: threads that wait for each other would keep a neighbour from its core.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# The same examples at every run: the gate must not fail for an example that no one has seen.
hypothesis.settings.register_profile("gate", derandomize=True, deadline=None)
hypothesis.settings.load_profile("gate")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def synthetic_data(run_folder: Path) -> Path:
    """The output of a real `preprocessing fit` over a small log that has every kind of feature."""
    from tests.synthetic import fitted_data

    return made_once(run_folder / "synthetic", fitted_data) / "data"


@pytest.fixture(scope="session")
def compiled_data(run_folder: Path) -> Path:
    """The same without texts in the request: its workflow has an equal graph."""
    from tests.synthetic import fitted_data

    return made_once(run_folder / "compiled", lambda folder: fitted_data(folder, texts=False)) / "data"


@pytest.fixture(scope="session")
def orders_data(run_folder: Path) -> Path:
    """The same of a log of orders without users, whose schema has no offline features."""
    from tests.orders import fitted_orders

    return made_once(run_folder / "orders", lambda folder: fitted_orders(folder, "orders")) / "data"
