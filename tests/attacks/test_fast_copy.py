"""The cheaper copy: it answers as the model does, and only the model decides what is adversarial."""

import pytest
import torch
from torch import nn

from robust.attacks.engine import assail
from robust.attacks.factory import make
from robust.attacks.fast_copy import FastCopy, make_fast_copy
from robust.attacks.suite import WAYS
from robust.attacks.threats.threat import read_threat

LINF = read_threat("linf:0.1")


class Drawing(nn.Module):
    def forward(self, x):
        return torch.randn(len(x), 10)


class Branching(nn.Module):
    def forward(self, x):
        return x.flatten(1) if x.sum() > 0 else -x.flatten(1)


@pytest.fixture
def x():
    return torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network(x):
    """Make a network with a batch norm that is not the identity, and with many classes among its answers."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    net[1].running_mean.normal_()
    net[1].running_var.uniform_(0.5, 2)
    with torch.no_grad():
        net[4].bias -= net.eval()(x).mean(0)
    return net.train()


@pytest.mark.parametrize("ways", [*((way,) for way in WAYS), WAYS], ids=",".join)
def test_it_answers_as_the_model_does_and_leaves_it_as_it_was(network, x, ways):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    copy = make_fast_copy(network, ways, x)
    with torch.no_grad():
        expected, apart = network.eval()(x), (copy(x) - network(x)).abs().max()

    assert apart <= (0.1 if "bf16" in ways else 1e-5) * expected.abs().max()
    assert copy(x).dtype == x.dtype
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_each_way_is_what_it_says(network, x):
    assert not any(isinstance(part, nn.BatchNorm2d) for part in make_fast_copy(network, ["fold"], x).quick.modules())
    weight = make_fast_copy(network, ["channels-last"], x).quick[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(make_fast_copy(network, ["bf16"], x)(x), make_fast_copy(network, [], x)(x))


def test_it_is_in_evaluation_mode_and_the_model_stays_in_its_own(network, x):
    assert not any(part.training for part in make_fast_copy(network, ["channels-last"], x).quick.modules())
    assert network.training


@pytest.mark.parametrize("ways", [*((way,) for way in WAYS), WAYS], ids=",".join)
def test_what_falls_falls_of_the_model_itself(network, x, ways):
    network.eval()
    y = network(x).argmax(1)
    attack = make("pgd:steps=10:loss=margin")
    plain = assail(network, attack, x, y, LINF)
    found = assail(make_fast_copy(network, ways, x), attack, x, y, LINF)

    assert plain.adversarial.any()
    assert (network(found.x_adv[found.adversarial]).argmax(1) != y[found.adversarial]).all()
    assert abs(int(found.adversarial.sum() - plain.adversarial.sum())) <= 1


def test_a_copy_that_lies_breaks_nothing_that_the_model_stands(network, x):
    network.eval()
    y = network(x).argmax(1)
    liar = FastCopy(network, nn.Sequential(network, nn.Threshold(torch.inf, 1.0)), [])  # all logits equal: class 0
    found = assail(liar, make("pgd:steps=3"), x, y, read_threat("linf:0.0001"))

    assert not found.adversarial.any()
    assert found.cost.forwards[y != 0].min() > found.cost.forwards[y == 0].max()  # asking the model is counted


def test_a_model_that_draws_has_no_copy(x):
    with pytest.raises(ValueError, match=r"^search=bf16: the copy's answers are .* leave it out$"):
        make_fast_copy(Drawing(), ["bf16"], x)


def test_what_cannot_be_copied_is_reported(x):
    with pytest.raises(ValueError, match=r"^search=fold: the model cannot be traced: .*control flow; leave fold out$"):
        make_fast_copy(Branching(), ["fold"], x)
