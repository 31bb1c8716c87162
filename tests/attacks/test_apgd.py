"""APGD: its schedule, and against PGD and torchattacks."""

import pytest
import torch

from robust.attacks import PGD, LpThreat, assail, make
from robust.attacks.rng import Rng
from robust.attacks.zoo.apgd import APGD, checkpoints
from tests.attacks.models import inputs, network


def test_the_step_size_is_checked_at_the_papers_fractions():
    """0.22, and then windows of 0.19, 0.16, ... of the steps, not below 0.06 (section 3.2 of 2003.01690)."""
    assert [*checkpoints(100)] == [22, 41, 57, 70, 80, 87, 93, 99]
    assert sum(checkpoints(1000).values()) <= 1000
    assert checkpoints(1) == {1: 1}


@pytest.mark.parametrize("threat", ["linf:0.05", "l2:0.5", "l1:3"])
def test_it_breaks_about_as_much_as_pgd_or_more(threat):
    model, x = network(), inputs(200)
    y = model(x).argmax(1)
    auto, plain = (
        assail(model, attack, x, y, LpThreat.parse(threat)).adversarial for attack in (APGD(), PGD(steps=100))
    )

    assert auto.sum() >= plain.sum() - 2


@pytest.mark.parametrize("threat", ["linf:0.05", "l2:0.5"])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_it_breaks_about_as_much_as_that_of_torchattacks(threat, loss):
    model, x = network(dtype=torch.float32), inputs(200, dtype=torch.float32)
    y = model(x).argmax(1)
    ours = assail(model, APGD(loss=loss, steps=50), x, y, LpThreat.parse(threat)).adversarial
    theirs = make(f"torchattacks:APGD:loss={loss}:steps=50")

    assert ours.sum() >= assail(model, theirs, x, y, LpThreat.parse(threat)).adversarial.sum() - 1


def test_each_step_costs_one_gradient_and_the_last_none():
    model, x = network(), inputs(20)
    y = model(x).argmax(1)
    outcome = assail(model, APGD(steps=7), x, y, LpThreat.parse("linf:1e-4"))

    standing = ~outcome.adversarial
    assert (outcome.cost.backwards[standing] == 7).all()
    assert (outcome.cost.forwards[standing] == 9).all()


def test_in_l1_what_a_rounding_moved_does_not_count():
    """The next step goes by how many coordinates moved: with roundings counted, these two went by their batch."""
    model, x, rows = network(), inputs(), torch.tensor([36, 46])
    y, threat, attack = model(x).argmax(1), LpThreat.parse("l1:2"), make("apgd:targets=1")
    whole = assail(model, attack, x, y, threat, seed=3)
    for row in rows.split(1):
        alone = assail(model, attack, x[row], y[row], threat, seed=Rng.of(3, row))

        assert torch.equal(alone.adversarial, whole.adversarial[row])
        torch.testing.assert_close(alone.x_adv, whole.x_adv[row], rtol=0, atol=1e-9)
