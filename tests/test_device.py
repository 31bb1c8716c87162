"""The devices on which models run."""

import pytest
import torch

from robust.attacks.rng import seeded
from robust.device import parse_device


def test_auto_is_a_device_that_there_is():
    assert parse_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert parse_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["cuda:99", "mps"])
def test_a_device_that_there_is_not_is_reported_with_what_to_use(name):
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has an Apple GPU")

    with pytest.raises(ValueError, match=r"this machine has .*; use auto or cpu"):
        parse_device(name)


def test_a_seeded_stream_repeats_and_leaves_the_global_one_as_it_was():
    state = torch.random.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(7, [torch.device("cpu")]):
            draws.append(torch.rand(3))

    assert torch.equal(*draws)
    assert torch.equal(torch.random.get_rng_state(), state)
