"""Corners: points of a ball of which most values lie at an end of their range."""

import pytest
import torch

from robust.attacks import LpThreat
from robust.attacks.corners import Corners
from robust.attacks.engine import assail, start
from robust.attacks.rng import rng_of

X = torch.tensor([[0.5, 0.05, 0.95, 0.4]]).repeat(500, 1)
Y = torch.zeros(len(X), dtype=torch.long)
THREAT = LpThreat.parse("linf:0.2")


def answer(x):
    """Answer wrong where two values are at their highest and a third at its lowest."""
    hit = (x[:, 0] > 0.69) & (x[:, 1] > 0.24) & (x[:, 3] < 0.21)
    return torch.stack([~hit, hit], 1).float()


def draw(seed):
    task = start(answer, X, Y, THREAT, rng_of(seed, X))
    attack = Corners(2)
    state = attack.init(task)
    return state.x, attack.step(task, state, 1).x


def test_the_points_lie_in_the_ball_and_mostly_at_an_end_of_each_range():
    for x in draw(0):
        assert THREAT.admits(x, X).all()
        low, high = (X - 0.2).clamp_min(0), (X + 0.2).clamp_max(1)
        ends = ((x - low).abs() < 1e-5) | ((x - high).abs() < 1e-5)
        assert ends[:, [0, 3]].float().mean().item() == pytest.approx(0.6, abs=0.05)
        assert ends[:, [1, 2]].float().mean().item() > 0.6  # the box cuts what is drawn beyond it, too
    assert not torch.equal(*draw(0))
    assert all(torch.equal(a, b) for a, b in zip(draw(0), draw(0), strict=True))
    assert not torch.equal(draw(0)[0], draw(1)[0])


def test_it_finds_what_uniform_draws_do_not():
    from robust.attacks import make
    from robust.attacks.factory import no_models

    found = assail(answer, Corners(40), X, Y, THREAT)
    uniform = assail(answer, make("noise:steps=40", no_models), X, Y, THREAT)
    assert found.adversarial.float().mean() > 0.5
    assert uniform.adversarial.float().mean() < 0.1
    assert not answer(found.x_adv[found.adversarial]).argmax(1).eq(0).any()
