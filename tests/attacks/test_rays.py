"""RayS: a search for the nearest boundary by labels alone."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, Rng, assail, make
from robust.attacks.task import Task
from robust.attacks.zoo.rays import RayS, _list_places, _next_block, _turn
from tests.attacks.models import Affine, Linear, inputs, network

SLACK = 0.02  # of eps
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

    slack = SLACK * float(BINARY.eps)
    assert (state.radius >= distance).all()
    assert (state.radius <= distance + 2 * slack).float().mean() > 0.95  # what is better by less is no better


def test_it_breaks_exactly_what_is_nearer_than_eps():
    model, x = Linear(12).requires_grad_(False), inputs(40, (3, 4)) - 0.5
    y = model(x).argmax(1)
    distance = model(x)[:, 1].abs() / model.w.abs().sum()
    threat = LpThreat.parse(f"linf:{float(distance.median()):.4f}", -100, 100)
    outcome = assail(model, RayS(500), x, y, threat)

    assert not outcome.adversarial[distance > float(threat.eps)].any()
    assert outcome.adversarial[distance < (1 - 2 * SLACK) * float(threat.eps)].all()
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
def test_precision_is_a_share_of_the_radius(precision):
    with pytest.raises(ValueError, match="precision, a share of a radius, must be above 0"):
        RayS(precision=precision)


@pytest.mark.parametrize("steps", [0, -1])
def test_steps_are_a_number_of_queries(steps):
    with pytest.raises(ValueError, match="steps"):
        RayS(steps)


def test_each_step_is_one_query():
    model, x = network(), inputs(20)
    outcome = assail(model, RayS(30), x, model(x).argmax(1), LpThreat.parse("linf:1e-3"))

    assert (outcome.cost.forwards[~outcome.adversarial] == 32).all()


def turns(shape, count):
    """Return the first blocks that are turned, each as the list of its features."""
    block, rounds, turned = torch.ones(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), []
    for _ in range(count):
        signs = _turn(torch.ones(1, math.prod(shape)), block, _list_places(rounds, block, shape))[0]
        turned.append((signs < 0).nonzero()[:, 0].tolist())
        block, over = _next_block(block, signs.numel())
        rounds = rounds + over
    return turned


def test_blocks_are_halved_until_each_feature_was_turned_alone_and_then_alone_again_in_another_order():
    turned = turns((3,), 12)

    assert turned[:6] == [[0, 1, 2], [0, 1], [2], [0], [1], [2]]
    assert sorted(turned[6:9]) == sorted(turned[9:]) == [[0], [1], [2]]


def test_each_later_round_has_blocks_of_its_own_at_random_from_small_ones_on():
    first = sum(2**level for level in range(7))
    turned = turns((1, 8, 8), first + 2 * (32 + 64))
    rounds = turned[first : first + 32], turned[first + 96 : first + 128]

    for blocks in rounds:
        assert {len(block) for block in blocks} == {2}
        assert sorted(itertools.chain(*blocks)) == list(range(64))
    assert sorted(rounds[0]) != sorted(rounds[1])


def test_small_blocks_of_an_image_are_rectangles_of_all_its_channels():
    turned = turns((2, 8, 8), 1 + 2 + 4 + 8 + 16)
    stripes, rectangles = turned[7:15], turned[15:]

    assert stripes == [list(range(16 * k, 16 * k + 16)) for k in range(8)]
    assert sorted(itertools.chain(*rectangles)) == list(range(128))
    assert rectangles[0] == [0, 1, 8, 9, 64, 65, 72, 73]
    for block in rectangles:
        channel, row, column = np.unravel_index(block, (2, 8, 8))
        assert (len({*channel}), len({*row}), len({*column})) == (2, 2, 2)
        assert np.ptp(row) == np.ptp(column) == 1


@pytest.mark.parametrize(
    ("wrong", "start"),
    [
        (lambda x: 0.3 - x[:, 0], [0.45, 0.9]),  # the ray of all -1 leads there
        (lambda x: (x[:, 0] - x[:, 1]).abs() - 0.5, [0.6, 0.4]),  # only one to the far ends
    ],
    ids=["lower", "far"],
)
def test_a_boundary_that_the_first_ray_does_not_cross_is_found(wrong, start):
    def model(x):
        return torch.stack([-wrong(x), wrong(x)], 1)

    outcome = assail(model, RayS(60), torch.tensor([start]), torch.zeros(1).long(), LpThreat.parse("linf:0.4"))

    assert outcome.adversarial.all()
