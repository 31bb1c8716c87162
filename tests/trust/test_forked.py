"""Work in a fork, which leaves nothing behind."""

import os
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from robust.models.blackbox import BlackBox
from robust.trust.forked import can_fork, run_forked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")


def test_the_answer_comes_back_and_nothing_else():
    seen = []

    def work():
        seen.append(1)
        print("a fork says nothing")  # noqa: T201
        return np.arange(6.0).reshape(2, 3)

    assert np.array_equal(run_forked(work), np.arange(6.0).reshape(2, 3))
    assert seen == []


def test_an_answer_larger_than_a_pipe_holds_comes_back():
    assert run_forked(lambda: np.ones((300, 1000))).sum() == 300_000


def test_a_network_answers_as_it_does_here():
    net, x = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10)), torch.rand(64, 1, 8, 8)
    with torch.no_grad():
        here = net(x)
        there = torch.from_numpy(run_forked(lambda: net(x).double().numpy()))
    assert torch.allclose(here.double(), there, atol=1e-5)


def fail():
    raise ValueError


@pytest.mark.parametrize("work", [fail, lambda: os._exit(3), lambda: sys.exit(0), lambda: os.kill(os.getpid(), 9)])
def test_a_fork_that_ends_has_no_answer(work):
    assert run_forked(work) is None


def test_a_fork_that_hangs_is_ended():
    began = time.monotonic()

    assert run_forked(lambda: time.sleep(60), seconds=0.2) is None
    assert time.monotonic() - began < 10


def test_a_black_box_is_not_asked_in_a_fork():
    """It has connections, and threads, that a fork would share or lack."""
    assert can_fork(nn.Linear(2, 2))
    assert not can_fork(BlackBox(lambda x: ("scores", x), (2,), 2))
