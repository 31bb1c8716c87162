"""Every recipe of the registry, the third parties' included: trained for a few epochs on a part of digits."""

import pytest
import torch
from torch import nn

from robust.attacks import PGD, LpThreat, Rng, Task, assail
from robust.data.dataset import DATA
from robust.train.craft import craft
from robust.train.loop import Plan, fit, read_recipe
from robust.train.recipe import RECIPES
from robust.train.recipes.trades import Trades, _divergence_from

THREAT = LpThreat.parse("linf:0.15")


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10))


@pytest.fixture(scope="module")
def data():
    learn, _ = DATA.get("digits").load("train").draw(400, seed=0)
    test, _ = DATA.get("digits").load("test").draw(200, seed=0)
    return learn, torch.from_numpy(test.x), torch.from_numpy(test.y)


@pytest.fixture(scope="module")
def accuracies(data):
    """{recipe: (clean, robust)} on test samples, after the same number of epochs."""
    learn, x, y = data
    found = {}
    for name in RECIPES.names():
        net = network()
        recipe, _ = read_recipe(name)
        net.load_state_dict(fit(net, recipe, Plan(epochs=12, lr=0.2), learn, THREAT).weights)
        net.eval()
        right = net(x).argmax(1) == y
        fallen = assail(net, PGD(), x, y, THREAT).fallen
        found[name] = (right.float().mean().item(), (~fallen).float().mean().item())
    return found


@pytest.mark.parametrize("name", RECIPES.names())
def test_a_recipe_learns_the_task(name, accuracies):
    assert accuracies[name][0] > 0.6


@pytest.mark.parametrize("name", [name for name in RECIPES.names() if name != "standard"])
def test_a_robust_recipe_is_at_least_10_points_more_robust_than_standard(name, accuracies):
    assert accuracies[name][1] > accuracies["standard"][1] + 0.10


@pytest.mark.parametrize("name", RECIPES.names())
def test_the_loss_of_a_batch_is_a_finite_scalar_that_reaches_every_parameter(name, data):
    learn, _, _ = data
    net = network().train()
    x, y, index = (torch.from_numpy(array[:16]) for array in (learn.x, learn.y, learn.index))
    recipe, _ = read_recipe(name)

    loss = recipe.loss(Task.of(net, x, y, THREAT, Rng.of(0, index)))
    loss.backward()

    assert loss.shape == ()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    assert net.training


def test_crafting_leaves_mode_and_batch_norm_as_they_were(data):
    learn, _, _ = data
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)).train()
    x, y, index = (torch.from_numpy(array[:16]) for array in (learn.x, learn.y, learn.index))
    before = net[1].running_mean.clone()

    x_adv = craft(PGD(steps=3), Task.of(net, x, y, THREAT, Rng.of(0, index)))

    assert THREAT.admits(x_adv, x).all()
    assert not x_adv.requires_grad
    assert torch.equal(net[1].running_mean, before)
    assert all(module.training for module in net.modules())


def test_trades_with_beta_zero_is_standard_training(data):
    learn, _, _ = data
    net = network().eval()
    x, y, index = (torch.from_numpy(array[:16]) for array in (learn.x, learn.y, learn.index))
    task = Task.of(net, x, y, THREAT, Rng.of(0, index))

    torch.testing.assert_close(Trades(beta=0.0).loss(task), nn.functional.cross_entropy(net(x), y))


def test_the_divergence_is_that_of_the_two_answers():
    a, b = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.5, 0.5, 0.0]])
    p, q = a.softmax(1), b.softmax(1)

    torch.testing.assert_close(_divergence_from(a)(b, torch.zeros(1)), (p * (p / q).log()).sum(1))
    assert _divergence_from(a)(a, torch.zeros(1)) == 0
