"""Inputs near the samples: at the edge of the ball, within the bounds, the same in any process."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.data.dataset import Samples
from robust.verification.nearby import MOST, ask_nearby, draw_nearby


def samples(n=40, low=0.3, high=0.7):
    x = np.random.default_rng(0).uniform(low, high, (n, 1, 2, 8)).astype(np.float32)
    return Samples(x, np.zeros(n, np.int64), np.arange(n))


def distances(x, of):
    """Return the smallest linf distance of each x to a sample."""
    return np.abs(x[:, None] - of.x[None]).reshape(len(x), len(of), -1).max(2).min(1)


@pytest.mark.parametrize(
    ("threat", "step"), [("linf:0.1", 0.1), ("l2:0.4", 0.1), ("l1:1.6", 0.1), ("linf:0.1+l2:9", 0.1)]
)
def test_each_value_moves_to_the_edge(threat, step):
    few = samples()
    x = draw_nearby(few, threat, (0.0, 1.0), 3)

    assert x.shape == (MOST, 1, 2, 8)
    assert x.dtype == np.float32
    np.testing.assert_allclose(distances(x, few), step, rtol=1e-5)
    moved = np.concatenate([(x - few.x[k]).ravel() for k in range(len(few)) if np.abs(x[0] - few.x[k]).max() < 0.11])
    assert 0.2 < (moved[:16] > 0).mean() < 0.8


def test_they_are_the_same_for_one_seed_and_others_for_another():
    first, again, other = (draw_nearby(samples(), "linf:0.1", (0.0, 1.0), seed) for seed in (5, 5, 6))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", [0, 2**32 + 5, 2**63 - 1])
def test_any_seed_will_do(seed):
    assert len(draw_nearby(samples(4), "linf:0.1", (0.0, 1.0), seed)) == 4


def test_they_keep_to_the_bounds():
    x = draw_nearby(samples(low=0, high=1), "linf:0.5", (0.0, 1.0), 0)

    assert (x.min(), x.max()) == (0.0, 1.0)


class Mode(nn.Module):
    """Answers whether it trains, and draws at random."""

    def forward(self, x):
        return torch.stack([x.flatten(1).sum(1), torch.rand(len(x)) + 10 * self.training], 1)


def test_they_are_asked_in_evaluation_mode_by_a_seed_and_nothing_stays():
    module, x = Mode().train(), samples(3).x
    state = torch.random.get_rng_state()
    first, again, other = (ask_nearby(module, x, seed) for seed in (0, 0, 1))

    assert first.dtype == np.float64
    np.testing.assert_allclose(first[:, 0], x.reshape(3, -1).sum(1), rtol=1e-6)
    assert (first[:, 1] < 1).all()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert module.training
    assert torch.equal(torch.random.get_rng_state(), state)
