import re
from fractions import Fraction

import pytest
import torch

from robust.attacks import PGD, LpThreat, Rng, Task, assail, make, minimize_norm
from tests.attacks.models import Affine, inputs, network

THREAT = LpThreat.parse("linf:0.1")


def lengths(attack):
    """Return the length of each step before projection, as a share of eps."""
    model, x = network(), torch.full((3, 64), 0.5, dtype=torch.float64)
    wide = LpThreat.parse("linf:0.5")
    task = Task.of(model, x, model(x).argmax(1), wide, Rng.of(0, torch.arange(3)))
    state, found = attack.init(task), []
    for k in range(attack.steps):
        before, state = state.x, attack.step(task, state, k)
        found.append(float((state.x - before).abs().amax()) / float(wide.eps))
    return found


def test_steps_shrink_along_half_a_cosine():
    found = lengths(PGD(steps=5, stride=0.2, last=0.01, start=0))

    assert found == pytest.approx([0.2, 0.172175, 0.105, 0.037825, 0.01], abs=1e-4)


def test_a_single_step_has_the_length_of_the_first():
    assert lengths(PGD(steps=1, stride=0.2, last=0.01, start=0)) == pytest.approx([0.2])


def test_without_a_last_all_are_equal():
    assert lengths(PGD(steps=3, stride=0.2, start=0)) == pytest.approx([0.2] * 3)


def test_a_step_of_no_length_is_refused():
    with pytest.raises(ValueError, match=re.escape("pgd:last=0: last, a share of eps, must be above 0, got 0")):
        make("pgd:last=0")


def test_a_sample_that_comes_back_is_left_only_where_steps_are_equal():
    """A point that was seen before may lead elsewhere if the steps shrink."""
    model, x = network(), inputs()
    task = Task.of(model, x, model(x).argmax(1), THREAT, Rng.of(0, torch.arange(len(x))))
    done = {}
    for last in (None, 0.5):
        attack = PGD(steps=40, stride=0.5, last=last)
        state = attack.init(task)
        for k in range(attack.steps):
            state = attack.step(task, state, k)
        done[last] = state.done

    assert done[None].any()
    assert done[0.5] is None


@pytest.mark.parametrize("features", [64, 784])
@pytest.mark.parametrize("classes", [2, 10])
def test_under_l1_many_steps_do_no_worse_than_one(features, classes):
    """The first step from x itself is that of FGSM."""
    model = Affine(classes, features)
    x = (3 * inputs(100, (features,)) - 1).clamp(0, 1)
    y = model(x).argmax(1)
    threat = LpThreat("l1", Fraction(minimize_norm(model, make("fab"), x, y, "l1").median).limit_denominator(1000))
    fell = {
        w: assail(model, make(w), x, y, threat).adversarial for w in ("fgsm", "pgd:steps=10", "pgd:start=0", "apgd")
    }

    assert 30 < fell["fgsm"].sum() < 70
    assert not (fell["fgsm"] & ~fell["pgd:start=0"]).any()
    assert fell["pgd:steps=10"].sum() >= fell["fgsm"].sum()
    assert fell["pgd:start=0"].sum() >= 0.95 * fell["apgd"].sum()


def test_under_l1_many_steps_do_better_on_a_network():
    model, x = network(), (3 * inputs(200) - 1).clamp(0, 1)
    y, threat = model(x).argmax(1), LpThreat.parse("l1:0.3")
    fell = {w: int(assail(model, make(w), x, y, threat).adversarial.sum()) for w in ("fgsm", "pgd", "apgd")}

    assert 30 < fell["fgsm"] < 170
    assert fell["pgd"] >= fell["fgsm"]
    assert fell["pgd"] >= 0.9 * fell["apgd"]
