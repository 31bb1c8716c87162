"""Against the exact answer: on a linear model the best that an attacker can do is known in closed form."""

from fractions import Fraction

import pytest
import torch

from robust.attacks import FGSM, PGD, LpThreat, Rng, Task, assail, climb
from robust.attacks.losses import margin
from tests.attacks.models import Linear, inputs

NORMS = ["linf", "l2", "l1"]
EPS = {"linf": Fraction(1, 20), "l2": Fraction(1, 2), "l1": Fraction(3, 10)}
ATTACKS = [FGSM(), FGSM("margin"), PGD(), PGD(loss="margin"), PGD(steps=60, stride=0.1, start=0)]


def task(norm, shape=(3, 4)):
    model, x = Linear(12), inputs(40, shape) - 0.5
    y = model(x).argmax(1)
    threat = LpThreat(norm, EPS[norm], lo=-100, hi=100)  # the box is never touched
    return Task.of(model, x, y, threat, Rng.of(0, torch.arange(len(x))))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
@pytest.mark.parametrize("shape", [(12,), (3, 4), (1, 2, 6)])
def test_the_last_iterate_reaches_the_best_margin(attack, norm, shape):
    given = task(norm, shape)

    x_adv = climb(attack, given)

    best = given.model.best_margin(given.x, given.y, norm, float(EPS[norm]))
    torch.testing.assert_close(margin(given.model(x_adv), given.y), best, rtol=1e-6, atol=1e-6)
    assert given.threat.admits(x_adv, given.x).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_exactly_those_fall_that_can(attack, norm):
    given = task(norm)

    fallen = assail(given.model, attack, given.x, given.y, given.threat).fallen

    can = given.model.best_margin(given.x, given.y, norm, float(EPS[norm])) > 0
    assert 0 < can.sum() < len(can)
    assert torch.equal(fallen, can)


@pytest.mark.parametrize("norm", NORMS)
def test_a_box_in_the_way_is_used_up_to_its_edge(norm):
    """linf and l1 solve the linear problem with the box exactly: each coordinate on its own, the best first."""
    model, x = Linear(12), inputs(40, (12,))
    y = model(x).argmax(1)
    threat = LpThreat(norm, EPS[norm])
    x_adv = climb(FGSM("margin"), Task.of(model, x, y, threat, Rng.of(0, torch.arange(len(x)))))
    samples = [threat.sample(x, Rng.of(k, torch.arange(len(x)))) for k in range(200)]

    best_random = torch.stack([margin(model(s), y) for s in samples]).amax(0)
    assert (margin(model(x_adv), y) >= best_random - 1e-9).all()
