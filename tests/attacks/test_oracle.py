"""Against the exact answer: on a linear model the best that an attacker can do is known in closed form."""

from fractions import Fraction

import pytest
import torch

from robust.attacks import APGD, FGSM, PGD, LpThreat, Rng, Targets, Task, assail, run_steps
from robust.attacks.factory import describe
from robust.attacks.losses import margin, margin_to
from tests.attacks.models import Affine, Linear, inputs

NORMS = ["linf", "l2", "l1"]
EPS = {"linf": Fraction(1, 20), "l2": Fraction(1, 2), "l1": Fraction(3, 10)}
LOSSES = ["ce", "margin", "dlr"]
ATTACKS = [make(loss=loss) for make in (FGSM, PGD, APGD) for loss in LOSSES] + [PGD(steps=60, stride=0.1, start=0)]


def task(norm, shape=(3, 4), model=None):
    """Make the task of a model of 5 classes; by default three never win, so that every loss has one optimum."""
    model, x = model or Linear(12, others=3), inputs(40, shape) - 0.5
    y = model(x).argmax(1)
    threat = LpThreat(norm, EPS[norm], lo=-100, hi=100)  # the box is never touched
    return Task.of(model, x, y, threat, Rng.of(0, torch.arange(len(x))))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", ATTACKS, ids=describe)
@pytest.mark.parametrize("shape", [(12,), (3, 4), (1, 2, 6)])
def test_the_last_iterate_reaches_the_best_margin(attack, norm, shape):
    given = task(norm, shape)

    x_adv = run_steps(attack, given)

    best = given.model.best_margin(given.x, given.y, norm, float(EPS[norm]))
    torch.testing.assert_close(margin(given.model(x_adv), given.y), best, rtol=1e-6, atol=1e-6)
    assert given.threat.admits(x_adv, given.x).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", ATTACKS, ids=describe)
def test_exactly_those_fall_that_can(attack, norm):
    given = task(norm)

    adversarial = assail(given.model, attack, given.x, given.y, given.threat).adversarial

    can = given.model.best_margin(given.x, given.y, norm, float(EPS[norm])) > 0
    assert 0 < can.sum() < len(can)
    assert torch.equal(adversarial, can)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", [make(loss="margin") for make in (FGSM, PGD, APGD)], ids=describe)
def test_with_targets_the_best_margin_to_every_class_is_reached(attack, norm):
    given = task(norm, model=Affine(5))
    best = given.model.best_margins(given.x, given.y, norm, float(EPS[norm]))

    reached = torch.full_like(best, -torch.inf)
    for each, enter in Targets(attack, 4).rounds():
        aimed = enter(given)
        gained = margin_to(given.model(run_steps(each, aimed)), given.y, aimed.target)
        reached.scatter_(1, aimed.target[:, None], gained[:, None])

    torch.testing.assert_close(reached, best, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "attack", [FGSM("margin"), *(make(loss=loss) for make in (PGD, APGD) for loss in ("margin", "dlr"))], ids=describe
)
def test_with_every_class_a_target_exactly_those_fall_that_can(attack, norm):
    """Cross-entropy is left out: its optimum towards a class also avoids the others."""
    given = task(norm, model=Affine(5))
    adversarial = assail(given.model, Targets(attack, 4), given.x, given.y, given.threat).adversarial

    can = (given.model.best_margins(given.x, given.y, norm, float(EPS[norm])) > 0).any(1)
    assert 0 < can.sum() < len(can)
    assert torch.equal(adversarial, can)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_admitted_input_is_much_likelier_the_target_than_what_apgd_finds(norm):
    """log p(target) of a linear model is concave, so no point of the ball is above its tangent's maximum there."""
    given = task(norm, model=Affine(5))
    for attack, enter in Targets(APGD(), 4).rounds():
        aimed = enter(given)
        x = run_steps(attack, aimed)
        _, _, grad = aimed.ascent(x, "ce")
        left = float(EPS[norm]) * given.threat.dual(grad) - (grad * (x - given.x)).flatten(1).sum(1)

        assert (left < 1e-4).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_box_in_the_way_is_used_up_to_its_edge(norm):
    """linf and l1 solve the linear problem with the box exactly: each coordinate on its own, the best first."""
    model, x = Linear(12), inputs(40, (12,))
    y = model(x).argmax(1)
    threat = LpThreat(norm, EPS[norm])
    x_adv = run_steps(FGSM("margin"), Task.of(model, x, y, threat, Rng.of(0, torch.arange(len(x)))))
    samples = [threat.sample(x, Rng.of(k, torch.arange(len(x)))) for k in range(200)]

    best_random = torch.stack([margin(model(s), y) for s in samples]).amax(0)
    assert (margin(model(x_adv), y) >= best_random - 1e-9).all()
