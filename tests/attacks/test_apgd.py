"""APGD: its schedule, and against the closed form and torchattacks."""

import pytest
import torch

from robust.attacks import PGD, LpThreat, assail, make
from robust.attacks.zoo.apgd import APGD, checkpoints
from tests.attacks.models import Linear, inputs, network

NORMS = {"linf": "linf:0.05", "l2": "l2:0.5", "l1": "l1:0.3"}


def test_the_step_size_is_checked_at_the_papers_fractions():
    """0.22, and then windows of 0.19, 0.16, ... of the steps, not below 0.06 (section 3.2 of 2003.01690)."""
    assert [*checkpoints(100)] == [22, 41, 57, 70, 80, 87, 93, 99]
    assert sum(checkpoints(1000).values()) <= 1000
    assert checkpoints(1) == {1: 1}


@pytest.mark.parametrize("loss", ["ce", "margin"])
@pytest.mark.parametrize("norm", NORMS)
def test_on_a_linear_model_exactly_those_fall_that_can(norm, loss):
    model, x = Linear(12), inputs(60, (12,)) - 0.5
    y = model(x).argmax(1)
    threat = LpThreat.parse(NORMS[norm], -100, 100)
    fallen = assail(model, APGD(loss=loss), x, y, threat).fallen

    can = model.best_margin(x, y, norm, float(threat.eps)) > 0
    assert 0 < can.sum() < len(can)
    assert torch.equal(fallen, can)


@pytest.mark.parametrize("threat", ["linf:0.05", "l2:0.5", "l1:3"])
def test_it_breaks_about_as_much_as_pgd_or_more(threat):
    model, x = network(), inputs(200)
    y = model(x).argmax(1)
    auto, plain = (assail(model, attack, x, y, LpThreat.parse(threat)).fallen for attack in (APGD(), PGD(steps=100)))

    assert auto.sum() >= plain.sum() - 2


@pytest.mark.parametrize("threat", ["linf:0.05", "l2:0.5"])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_it_breaks_about_as_much_as_that_of_torchattacks(threat, loss):
    model, x = network(dtype=torch.float32), inputs(200, dtype=torch.float32)
    y = model(x).argmax(1)
    ours = assail(model, APGD(loss=loss, steps=50), x, y, LpThreat.parse(threat)).fallen
    theirs = make(f"torchattacks:APGD:loss={loss}:steps=50")

    assert ours.sum() >= assail(model, theirs, x, y, LpThreat.parse(threat)).fallen.sum() - 1


def test_each_step_costs_one_gradient_and_the_last_none():
    model, x = network(), inputs(20)
    y = model(x).argmax(1)
    outcome = assail(model, APGD(steps=7), x, y, LpThreat.parse("linf:1e-4"))

    standing = ~outcome.fallen
    assert (outcome.cost.backwards[standing] == 7).all()
    assert (outcome.cost.forwards[standing] == 8).all()


@pytest.mark.parametrize(("options", "told"), [({"steps": 0}, "steps must be at least 1"), ({"rho": 1}, "rho must be")])
def test_wrong_options_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        APGD(**options)
