"""Inputs rounded to the data's levels: nearest where the ball allows it, and never out of it."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.data.dataset import DATA
from robust.verification.candidates import Candidates
from robust.verification.distances import flatten, measure_norm, read_balls
from robust.verification.rounding import on_levels, round_to_levels, verify_rounded

BOX = (0.0, 1.0)


def images(n=20, levels=256, features=30):
    rng = np.random.RandomState(0)
    return (rng.randint(levels, size=(n, features)) / (levels - 1)).astype(np.float32)


def attacked(x, threat, seed=0):
    """Inputs at the edge of the ball, as attacks leave them."""
    start, torch_x = np.random.RandomState(seed).randn(*x.shape), torch.from_numpy(x)
    return read_threat(threat).parts[-1].project(torch_x + torch.from_numpy(start).float(), torch_x).numpy()


def rounded(x_adv, x, threat, levels=256):
    return round_to_levels(Candidates(x_adv, x, np.zeros(len(x), np.int64), threat, BOX, 5), levels)


def steps(stored, x, levels=256):
    return np.rint(flatten(stored) * (levels - 1)) - np.rint(flatten(x) * (levels - 1))


@pytest.mark.parametrize("levels", [17, 256])
@pytest.mark.parametrize("threat", ["linf:8/255", "linf:0.5/255", "linf:0.1", "l2:0.5", "l1:3", "linf:0.01+l1:4"])
def test_what_is_rounded_is_on_levels_and_inside(threat, levels):
    x = images(levels=levels)
    x_adv = attacked(x, threat)
    stored, held = rounded(x_adv, x, threat, levels)

    assert held.all()
    assert on_levels(stored, BOX, levels)
    assert ((stored >= 0) & (stored <= 1)).all()
    part = read_balls(threat)[-1]
    assert (measure_norm(part.norm, steps(stored, x, levels) / (levels - 1)) <= part.eps * (1 + 1e-9)).all()


@pytest.mark.parametrize("threat", ["linf:8/255", "l2:100", "l1:100"])
def test_where_the_ball_allows_it_the_nearest_level_is_taken(threat):
    x = images()
    x_adv = np.clip(x + np.random.RandomState(1).uniform(-7, 7, x.shape) / 255, 0, 1).astype(np.float32)

    assert (rounded(x_adv, x, threat)[0] == (np.rint(x_adv * 255) / 255).astype(np.float32)).all()


def test_eight_levels_stay_eight_levels():
    """An attack stops a rounding before 8/255; what is stored is 8 levels away, not 7."""
    x = np.full((1, 3), 100 / 255, np.float32)
    x_adv = x + np.float32(8 / 255) - np.float32(1e-7)

    assert steps(rounded(x_adv, x, "linf:8/255")[0], x).tolist() == [[8, 8, 8]]


def test_beyond_the_ball_it_goes_towards_the_clean_input():
    x = np.full((1, 3), 100 / 255, np.float32)
    x_adv = x + np.array([[2.6, -2.6, 2.4]], np.float32) / 255

    assert steps(rounded(x_adv, x, "linf:0.0105")[0], x).tolist() == [[2, -2, 2]]
    assert steps(rounded(x_adv, x, "l1:0.0299")[0], x).tolist() == [[3, -2, 2]]


@pytest.mark.parametrize(("name", "levels"), [("digits", 17), ("digits", 256)])
def test_only_data_that_keeps_to_levels_is_on_them(name, levels):
    declared = DATA.get(name)

    assert declared.levels == 17
    assert on_levels(declared.load("test").x, BOX, levels) == (levels == 17)


def test_what_rounding_saves_is_not_broken():
    """A model that answers by whether a value is off its level."""

    class Fine(nn.Module):
        def forward(self, x):
            off = (x * 255 - (x * 255).round()).abs().amax(1)
            return torch.stack((torch.full_like(off, 0.2), off), 1) * 10

    x = np.full((2, 3), 100 / 255, np.float32)
    x_adv = x + np.array([[0.4], [0.4]], np.float32) / 255
    verification = verify_rounded(Fine(), Candidates(x_adv, x, np.zeros(2, np.int64), "linf:8/255", BOX, 5), 256)

    assert (verification.fault > 0).all()
