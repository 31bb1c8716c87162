"""Training under turns and moves: the inner step is the worst of random draws, and it brings robustness."""

import pytest
import torch
from torch import nn

from robust.attacks import Rng, assail, make, run_steps
from robust.attacks.engine import start
from robust.attacks.threats.spatial import SpatialThreat
from robust.attacks.zoo.pgd import PGD
from robust.train.factory import read_recipe
from robust.train.search import search_under

TURN = SpatialThreat.parse("spatial:rotate=180")
COLUMNS = torch.zeros(2, 1, 9, 9)
COLUMNS[0, 0, 4, 4:] = COLUMNS[1, 0, :, 4] = 1  # half a stroke and a whole one, whatever their angle
LOSS = nn.functional.cross_entropy


def network():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 2)
    return nn.Sequential(*layers)


def fit(word):
    """Train by a recipe for 150 steps on two strokes; return the network."""
    net, recipe = network(), read_recipe(word).recipe
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = COLUMNS.repeat(16, 1, 1, 1), torch.tensor([0, 1]).repeat(16)
    for k in range(150):
        task = start(net, x, y, TURN, Rng.of(k, torch.arange(32)))
        loss = recipe.loss(task, recipe.inputs(task), LOSS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net


def test_the_search_is_by_draws_only_where_the_threat_model_transforms():
    ball = SpatialThreat.parse("spatial:rotate=1")

    assert type(search_under(ball, PGD(steps=7))).__name__ == "WorstOf"
    assert search_under(ball, PGD(steps=7)).steps == 7
    assert search_under(None, PGD(steps=7)) == PGD(steps=7)


@pytest.mark.parametrize("word", ["pgd-at", "trades", "mart"])
def test_the_inner_step_finds_what_as_many_draws_find(word):
    net, recipe = network(), read_recipe(word).recipe
    x, y = COLUMNS.repeat(8, 1, 1, 1), torch.tensor([0, 1]).repeat(8)
    task = start(net, x, y, TURN, Rng.of(0, torch.arange(16)))

    inner = recipe.inputs(task)

    assert inner.shape == x.shape
    once = run_steps(make("worstof:steps=1"), task)
    if word != "trades":  # whose loss is another
        assert (LOSS(net(inner), y, reduction="none") >= LOSS(net(once), y, reduction="none")).all()


@pytest.mark.parametrize("word", ["pgd-at:steps=4", "trades:steps=4", "fgsm-rs", "fgsm-at"])
def test_each_recipe_for_steps_trains_under_turns(word):
    net, recipe = network(), read_recipe(word).recipe
    x, y = COLUMNS.repeat(2, 1, 1, 1), torch.tensor([0, 1]).repeat(2)
    task = start(net, x, y, TURN, Rng.of(0, torch.arange(4)))

    recipe.loss(task, recipe.inputs(task), LOSS).backward()

    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_training_by_the_worst_of_draws_withstands_the_grid_where_plain_training_does_not():
    x, y = COLUMNS, torch.tensor([0, 1])

    plain, trained = (assail(fit(word), make("grid:steps=181"), x, y, TURN) for word in ("standard", "pgd-at:steps=5"))

    assert plain.adversarial.any()
    assert not trained.adversarial.any()
