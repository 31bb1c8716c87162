"""Wrappers, and recipes with a state, compared with the papers' formulas on small cases."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks import LpThreat, Rng, Task
from robust.data.dataset import DATA
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.recipes.free import Free
from robust.train.wrappers.awp import AWP
from robust.train.wrappers.ema import EMA
from robust.train.wrappers.swa import SWA

THREAT = LpThreat.parse("linf:0.1")


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))


@pytest.fixture(scope="module")
def samples():
    return DATA.get("digits").load("train").draw(300, seed=0)[0]


@pytest.fixture
def batch(samples):
    return torch.from_numpy(samples.x[:32]), torch.from_numpy(samples.y[:32])


def gradients(net, x, y):
    """Return a function: the gradients of the loss in given weights."""
    return lambda of: torch.autograd.grad(F.cross_entropy(net(x), y), of, allow_unused=True)


def weights(module):
    return copy.deepcopy(module.state_dict())


def test_awp_moves_each_layer_by_its_share_up_the_loss_and_back(batch):
    x, y = batch
    net = network().eval()
    before, loss = weights(net), F.cross_entropy(net(x), y).item()

    with AWP(gamma=0.01).around(net, gradients(net, x, y), epoch=1):
        moved = weights(net)
        assert F.cross_entropy(net(x), y).item() > loss

    for name, value in before.items():
        length = (moved[name] - value).norm() if value.is_floating_point() else torch.tensor(0.0)
        expected = 0.01 * value.norm() if value.dim() > 1 else torch.tensor(0.0)
        torch.testing.assert_close(length, expected, rtol=1e-4, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_awp_puts_the_weights_back_where_the_loss_fails(batch):
    x, y = batch
    net = network()
    before = weights(net)

    with (
        pytest.raises(KeyError),
        AWP().around(net, gradients(net, x, y), epoch=1),
    ):
        raise KeyError
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_awp_moves_batch_norms_statistics_no_further(batch):
    x, y = batch
    net = network().train()
    before = net[2].running_mean.clone()

    with AWP().around(net, gradients(net, x, y), epoch=1):
        assert torch.equal(net[2].running_mean, before)


def test_awp_waits_for_its_epoch(batch):
    net = network()
    before = weights(net)

    with AWP(awp_warmup=2).around(net, lambda of: pytest.fail("asked"), epoch=2):
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_awp_changes_what_is_learnt(precision, samples):
    """Train without a cache of weights in another precision, which would hide that they moved."""
    specs = (f"{name}:steps=1:epochs=1:precision={precision}" for name in ("pgd-at", "pgd-at+awp:gamma=0.5"))
    nets = [nn.Sequential(*(part for part in network() if not isinstance(part, nn.BatchNorm1d))) for _ in range(2)]
    a, b = (fit(net, read_recipe(spec), samples, THREAT).weights for net, spec in zip(nets, specs, strict=True))

    assert not torch.equal(a["1.weight"], b["1.weight"])


def averaged(wrapper, values, steps):
    """Return (the mean of a weight that takes one of these values after each step, the average)."""
    net = nn.Linear(1, 1, bias=False)
    average = wrapper.begin(net, steps)
    for step, value in enumerate(values):
        nn.init.constant_(net.weight, value)
        average.update(net, step)
    return average.select(net).weight.item(), average


def test_ema_is_the_exponential_mean_and_forgets_the_start_faster():
    mean = 1.0
    for n, value in enumerate([2.0, 4.0, 8.0], start=1):
        decay = min(0.5, (1 + n) / (10 + n))
        mean = decay * mean + (1 - decay) * value

    assert averaged(EMA(ema_decay=0.5), [1.0, 2.0, 4.0, 8.0], 4)[0] == pytest.approx(mean)


def test_swa_is_the_mean_of_the_last_steps():
    assert averaged(SWA(swa_start=0.5), [1.0, 2.0, 3.0, 5.0], 4)[0] == pytest.approx(4.0)


def test_before_swa_begins_the_module_itself_is_kept():
    assert averaged(SWA(swa_start=0.5), [1.0, 2.0], 4)[0] == 2.0


@pytest.mark.parametrize("wrapper", [EMA(), SWA(swa_start=0.0)])
def test_an_average_goes_on_from_its_state(wrapper):
    _, average = averaged(wrapper, [1.0, 3.0], 4)
    other = wrapper.begin(nn.Linear(1, 1, bias=False), 4)
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    net = nn.Linear(1, 1, bias=False)
    for each in (average, other):
        each.update(net, 2)

    assert torch.equal(average.select(net).weight, other.select(net).weight)


def test_swa_estimates_batch_norms_statistics_of_its_own_mean(samples):
    """Compare with the module's own statistics, which are those of its last step."""
    net = network()
    found = fit(net, read_recipe("pgd-at+swa:epochs=4:steps=2:swa_start=0.25"), samples, THREAT)

    assert not torch.equal(found.weights["2.running_mean"], net.state_dict()["2.running_mean"])
    assert found.weights["2.num_batches_tracked"] <= 30


def test_what_is_validated_is_what_is_kept(samples):
    net = network()
    found = fit(net, read_recipe("standard+ema:epochs=3"), samples, THREAT)
    trained = weights(net)
    net.load_state_dict(found.weights)

    assert not torch.equal(trained["1.weight"], found.weights["1.weight"])
    assert found.best.clean > 0.5


def test_free_climbs_with_the_weights_gradient_and_hands_the_perturbation_on(batch):
    x, y = batch
    net = network().eval()
    recipe_run = Free().begin(net)
    task = Task.of(net, x, y, THREAT, Rng.of(0, torch.arange(len(x))))

    first = recipe_run.inputs(task)
    assert torch.equal(first.detach(), x)
    recipe_run.loss(task, first, F.cross_entropy).backward()
    grad = first.grad.clone()
    recipe_run.learn(task, first)
    second = recipe_run.inputs(task).detach()

    torch.testing.assert_close(second, (x + 0.1 * grad.sign()).clamp(0, 1), rtol=0, atol=1e-5)
    assert THREAT.admits(second, x).all()

    few = task.only(torch.arange(len(x)) < 5)
    torch.testing.assert_close(recipe_run.inputs(few).detach(), second[:5])


def test_free_takes_its_replays_of_every_batch(samples):
    steps = []
    net = network()
    net.register_forward_hook(lambda *_: steps.append(net.training))
    fit(net, read_recipe("free:replays=3:epochs=2"), samples, THREAT)

    assert sum(steps) == 2 * 3 * 4  # epochs, replays, batches of 255 samples
