import gc
import multiprocessing
import os

import pytest
import torch

pytest_plugins = ["pytester"]

torch.set_num_threads(1)  # these models are too small to be shared out


def pytest_collection_finish():
    """Leave all that is imported by now to no later garbage collection: each inner run of pytest has two."""
    gc.collect()
    gc.freeze()
    multiprocessing.set_forkserver_preload(["tests.preload"])  # there is one server for all: see tests/forks.py


@pytest.fixture(scope="session", autouse=True)
def inner_runs_see_no_ci():
    """Make inner runs print the same everywhere: under CI pytest repeats whole messages in its short summary."""
    for name in ("CI", "BUILD_NUMBER"):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def default_dtype_stays():
    """Put torch's default type back: some models of strangers change it."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def rng_untouched():
    """The global random state must be the same afterwards."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())
