import gc

import pytest
import torch

pytest_plugins = ["pytester"]

torch.set_num_threads(1)  # these models are too small to be shared out


def pytest_collection_finish():
    """Keep all that is imported by now out of garbage collection: every inner run of pytest collects twice."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def rng_untouched():
    """The global random state must be the same afterwards."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())
