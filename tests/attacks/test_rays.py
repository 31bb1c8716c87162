"""RayS: a search for the nearest boundary by labels alone."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, Rng, assail, make
from robust.attacks.task import Task
from robust.attacks.zoo.rays import RayS, _next_block, _turn
from tests.attacks.models import Affine, Linear, inputs, network

PRECISION = RayS().precision
BINARY = LpThreat.parse("linf:0.2", -100, 100)


def search(model, x, threat, steps):
    """Return the last state of the search."""
    attack = RayS(steps)
    task = Task.of(model, x, model(x).argmax(1), threat, Rng.of(0, torch.arange(len(x))))
    with torch.no_grad():
        state = attack.init(task)
        for k in range(steps):
            state = attack.step(task, state, k)
    return state


def test_on_a_linear_model_it_reaches_the_distance_within_its_precision():
    model, x = Linear(12).requires_grad_(False), inputs(40, (12,)) - 0.5
    distance = model(x)[:, 1].abs() / model.w.abs().sum()
    state = search(model, x, BINARY, steps=600)

    slack = PRECISION * float(BINARY.eps)
    assert (state.radius >= distance).all()
    assert (state.radius <= distance + 2 * slack).float().mean() > 0.95  # what is better by less is no better


def test_it_breaks_exactly_what_is_nearer_than_eps():
    model, x = Linear(12).requires_grad_(False), inputs(40, (3, 4)) - 0.5
    y = model(x).argmax(1)
    distance = model(x)[:, 1].abs() / model.w.abs().sum()
    threat = LpThreat.parse(f"linf:{float(distance.median()):.4f}", -100, 100)
    outcome = assail(model, RayS(500), x, y, threat)

    assert not outcome.adversarial[distance > float(threat.eps)].any()
    assert outcome.adversarial[distance < (1 - 2 * PRECISION) * float(threat.eps)].all()
    assert (outcome.x_adv - x).abs().max() <= float(threat.eps)
    assert (outcome.cost.backwards == 0).all()


def test_nothing_beside_the_label_leads_it_astray():
    """Each logit but the highest is noise of the input, and the highest says nothing of the margin."""

    class Misleading(nn.Module):
        def forward(self, x):
            z = inner(x)
            noise = (1e6 * z).sin()
            return noise.scatter(1, z.argmax(1, keepdim=True), 2.0)

    inner, x = Affine(4).requires_grad_(False), 0.2 + 0.6 * inputs(40, (12,))
    y = inner(x).argmax(1)
    threat = LpThreat.parse("linf:0.15")
    plain, misled = (assail(model, RayS(400), x, y, threat) for model in (inner, Misleading()))

    assert 0 < plain.adversarial.sum() < 40
    assert torch.equal(plain.adversarial, misled.adversarial)
    assert torch.equal(plain.x_adv, misled.x_adv)
    assert assail(Misleading(), make("pgd:steps=20"), x, y, threat).adversarial.sum() < misled.adversarial.sum()


def test_another_norm_is_refused_with_what_to_use():
    model, x = network(), inputs(4)

    with pytest.raises(ValueError, match=r"^rays is for linf and l2, the threat is l1; use noise$"):
        assail(model, RayS(3), x, model(x).argmax(1), LpThreat.parse("l1:1"))


def test_for_l2_it_breaks_nothing_that_is_farther_than_eps():
    model, x = Linear(12).requires_grad_(False), inputs(40, (3, 4)) - 0.5
    distance = model(x)[:, 1].abs() / model.w.norm()
    threat = LpThreat.parse(f"l2:{float(distance.quantile(0.7)):.4f}", -100, 100)
    outcome = assail(model, RayS(500), x, model(x).argmax(1), threat)

    assert outcome.adversarial.sum() > 10
    assert not outcome.adversarial[distance > float(threat.eps)].any()
    assert (outcome.x_adv - x).flatten(1).norm(dim=1).max() <= float(threat.eps)


@pytest.mark.parametrize("precision", [0.0, 1.5, float("nan")])
def test_precision_is_a_share_of_eps(precision):
    with pytest.raises(ValueError, match="precision, a share of eps"):
        RayS(precision=precision)


@pytest.mark.parametrize("steps", [0, -1])
def test_steps_are_a_number_of_queries(steps):
    with pytest.raises(ValueError, match="steps"):
        RayS(steps)


def test_each_step_is_one_query():
    model, x = network(), inputs(20)
    outcome = assail(model, RayS(30), x, model(x).argmax(1), LpThreat.parse("linf:1e-3"))

    assert (outcome.cost.forwards[~outcome.adversarial] == 32).all()


def test_blocks_are_halved_until_each_feature_was_turned_alone():
    block, turned = torch.ones(1, dtype=torch.int64), []
    for _ in range(8):
        turned.append(_turn(torch.ones(1, 3), block)[0].tolist())
        block = _next_block(block, 3)

    assert turned == [
        [-1, -1, -1],
        [-1, -1, 1],
        [1, 1, -1],
        [-1, 1, 1],
        [1, -1, 1],
        [1, 1, -1],
        [1, 1, 1],
        [-1, -1, -1],
    ]
