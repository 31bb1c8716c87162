"""RayS: a search for the nearest boundary by labels alone."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, Rng, assail, make
from robust.attacks.task import Task
from robust.attacks.zoo.rays import RayS, _list_places, _next_block, _turn, nearest
from tests.attacks.models import Affine, Linear, inputs, network

SLACK = 0.02  # of eps
BINARY = LpThreat.parse("linf:0.2", -100, 100)
RNG = Rng.of(0, torch.arange(40))


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
    radius = state.radius.minimum(state.least)
    assert (radius >= distance).all()
    assert (radius <= distance + 2 * slack).float().mean() > 0.95  # what is better by less is no better


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
    block, turned = torch.ones(1, dtype=torch.int64), []
    for _ in range(count):
        signs = _turn(torch.ones(1, math.prod(shape)), block, _list_places(block, shape))[0]
        turned.append((signs < 0).nonzero()[:, 0].tolist())
        block, _ = _next_block(block, signs.numel())
    return turned


def test_blocks_are_halved_until_each_feature_was_turned_alone_and_then_all_begins_again():
    turned = turns((3,), 12)

    assert turned[:6] == [[0, 1, 2], [0, 1], [2], [0], [1], [2]]
    assert turned[6:] == turned[:6]


def test_each_later_round_begins_with_signs_of_its_own_at_random_the_same_in_each_batch():
    firsts = list_firsts(torch.zeros(2, 1, 16, 16), steps=1600)

    assert len(firsts) == 3
    for signs in firsts:
        cells = signs.view(2, 8, 2, 8, 2)
        assert torch.equal(cells, cells[:1, :, :1, :, :1].expand_as(cells))  # squares of 2 x 2 of both samples
        assert 16 < (cells[0, :, 0, :, 0] > 0).sum() < 48
    assert len({tuple(signs[0].flatten().tolist()) for signs in firsts}) == 3


def list_firsts(x, steps):
    """Return the signs of the first ray of each later round, (n, *features) each, on a model that is never wrong."""
    task = Task.of(lambda z: z.new_tensor([[1.0, 0.0]]).expand(len(z), 2), x, torch.zeros(len(x)).long(), BINARY, RNG)
    attack, firsts = RayS(steps), []
    state = attack.init(task)
    for k in range(steps):
        before, state = state.rounds, attack.step(task, state, k)
        if bool((state.rounds > before).any()):
            firsts.append(state.x.sign())
    return firsts


def test_the_nearest_point_of_all_rounds_is_kept():
    model, x = Linear(12).requires_grad_(False), inputs(40, (12,)) - 0.5
    distance = model(x)[:, 1].abs() / model.w.abs().sum()
    task = Task.of(model, x, model(x).argmax(1), BINARY, RNG)
    for steps in range(400, 480, 20):
        point = nearest(task, search(model, x, BINARY, steps))
        assert (model(point).argmax(1) != task.y).all()
        assert ((point - x).abs().amax(1) <= distance + 2 * SLACK * float(BINARY.eps)).float().mean() > 0.95


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
