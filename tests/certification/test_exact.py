"""Bounds beside exact answers: equal for affine networks, never above for tiny ReLU networks."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.attacks.threats.threat import read_threat
from robust.certification.alpha import bound_by_best_lines
from robust.certification.ball import Ball
from robust.certification.certify import METHODS, Certifier, certify
from robust.certification.crown import bound_by_intervals, bound_by_lines
from robust.certification.errors import NoBoundsError
from robust.certification.read import read_graph
from robust.data.dataset import Samples
from tests.certification.models import Function
from tests.oracles.l2 import least_in_l2_and_box
from tests.oracles.margins import least_margin
from tests.oracles.regions import layers_of

AFFINE = {
    "linear": ((6,), lambda: nn.Linear(6, 3)),
    "two layers": ((6,), lambda: nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))),
    "less its mean": ((6,), lambda: Function(lambda x, m: m(x - x.mean(1, keepdim=True)), nn.Linear(6, 3))),
    "convolutions": (
        (2, 4, 4),
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, groups=2),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.Conv2d(4, 2, 2, padding_mode="reflect", padding=1),
            nn.Flatten(),
            nn.Linear(18, 3),
        ),
    ),
}


def affine_of(graph, shape):
    """Return (weight, bias) of the logits of an affine graph, from its values at the unit vectors."""
    size = int(np.prod(shape))
    at = graph(torch.cat([torch.zeros(1, size), torch.eye(size)]).double().reshape(-1, *shape)).numpy()
    return (at[1:] - at[0]).T, at[0]


@cache
def affine(name):
    """Return the graph of an affine network, and the shape of its inputs."""
    torch.manual_seed(0)
    shape, make = AFFINE[name]
    return read_graph(make().double(), torch.rand(1, *shape, dtype=torch.float64)), shape


@cache
def tiny(seed):
    """Return a tiny ReLU network and its graph."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))
    net = net.double()
    return net, read_graph(net, torch.rand(1, 3, dtype=torch.float64))


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("threat", ["linf:0.001", "linf:0.3", "linf:1", "l2:0.01", "l2:0.7", "l2:5"])
def test_bounds_of_affine_networks_are_exact(name, threat):
    graph, shape = affine(name)
    weight, bias = affine_of(graph, shape)
    threat = LpThreat.parse(threat)
    eps = float(threat.eps)
    torch.manual_seed(1)
    x = (1.6 * torch.rand(4, *shape, dtype=torch.float64) - 0.3).clamp(0, 1)  # some on the edge of the box
    found = bound_by_intervals(graph, Ball.around(x, threat)).margins(torch.tensor([0, 1, 2, 0])).amin(1)
    for row, y, margin in zip(x.flatten(1).numpy(), [0, 1, 2, 0], found, strict=True):
        exact = np.inf
        for other in {0, 1, 2} - {y}:
            w = weight[y] - weight[other]
            if threat.norm == "l2":
                least = least_in_l2_and_box(w, row, eps)
            else:
                least = w @ np.where(w > 0, np.clip(row - eps, 0, 1), np.clip(row + eps, 0, 1))
            exact = min(exact, least + bias[y] - bias[other])
        assert margin <= exact + 1e-9
        assert margin >= exact - (1e-7 if threat.norm == "linf" else 0.01 * eps)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("eps", ["0.02", "0.3", "1"])
def test_no_bound_of_a_tiny_network_is_above_the_exact_one(seed, eps):
    (net, graph), generator = tiny(seed), torch.Generator().manual_seed(seed)
    x = torch.rand(2, 3, dtype=torch.float64, generator=generator).round(decimals=1)
    y = graph(x).argmax(1)
    exact = torch.tensor([least_margin(layers_of(net), *row, float(eps)) for row in zip(x.numpy(), y, strict=True)])
    ball = Ball.around(x, LpThreat.parse(f"linf:{eps}"))
    bounds = bound_by_lines(graph, ball)
    by_lines = bounds.margins(y)
    for found in (bound_by_intervals(graph, ball).margins(y), by_lines, bound_by_best_lines(bounds, y, by_lines)):
        assert torch.all(found.amin(1) <= exact + 1e-8)
    stable = (bounds.by_value[1].lo * bounds.by_value[1].hi > 0).flatten(1).all(1)
    stable &= (bounds.by_value[3].lo * bounds.by_value[3].hi > 0).flatten(1).all(1)
    torch.testing.assert_close(by_lines.amin(1)[stable], exact[stable], atol=1e-7, rtol=0)


def test_the_slack_covers_the_rounding_of_large_logits():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    with torch.no_grad():
        net[2].weight.mul_(0.05)
        net[2].bias.copy_(1e6 + torch.tensor([0.2, 0.0, 0.0]))  # float32 knows steps of 1/16 there
    x = torch.rand(1, 4).expand(64, -1).contiguous()
    certifier = Certifier.of(net, x[:1], LpThreat.parse("linf:0.001"))
    margins = certifier.bound(x, torch.zeros(64, dtype=torch.int64), "alpha-crown")
    assert torch.all(margins < 0)
    in_real_numbers = bound_by_lines(
        read_graph(net.double(), x[:1].double()), Ball.around(x.double(), certifier.parts[0])
    )
    assert torch.all(in_real_numbers.margins(torch.zeros(64, dtype=torch.int64)) > -0.2)


@pytest.fixture(scope="module")
def digits():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 12), nn.GELU(), nn.Linear(12, 8), nn.LeakyReLU(1.5), nn.Linear(8, 3))
    x = torch.rand(40, 5)
    return net, Samples(x.numpy(), net(x).argmax(1).numpy(), np.arange(40))


@pytest.mark.parametrize("threat", ["linf:0.05", "l2:0.1", "linf:0.03+l2:0.1"])
def test_no_method_certifies_less_than_a_cheaper_one(digits, threat):
    net, samples = digits
    certifier = Certifier.of(net, torch.rand(1, 5), read_threat(threat))
    found = [certify(certifier, samples, np.arange(40) > 0, method) for method in METHODS]
    assert found[-1].certified.sum() > 5
    for cheaper, dearer in pairwise(found):
        assert np.all(dearer.certified[cheaper.certified])
    for each in found:
        assert not each.certified[0]  # it was not to be asked
        assert np.array_equal(each.certified, each.margin > 0)


def test_a_union_is_certified_where_each_part_is(digits):
    net, samples = digits
    certified = {
        threat: certify(
            Certifier.of(net, torch.rand(1, 5), read_threat(threat)), samples, np.ones(40, dtype=bool), "crown"
        ).certified
        for threat in ("linf:0.05", "l2:0.12", "linf:0.05+l2:0.12")
    }
    assert np.array_equal(certified["linf:0.05+l2:0.12"], certified["linf:0.05"] & certified["l2:0.12"])


@pytest.mark.parametrize("threat", ["l1:1", "linf:0.1+l1:1"])
def test_other_norms_are_refused(digits, threat):
    with pytest.raises(NoBoundsError, match=r"no bounds are known for l1:1; certificates are for linf and l2"):
        Certifier.of(digits[0], torch.rand(1, 5), read_threat(threat))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, m: m((x - 0.5).log()),
        lambda x, m: m((x - 0.5).sqrt()) + m(x),
        lambda x, m: m(1 / (x - 0.5)),
        lambda x, m: m((x - 0.5).rsqrt().clamp(0, 1)),
        lambda x, m: m(torch.maximum((x - 0.5).log(), x)),
        lambda x, m: m((900 * x).exp()),
    ],
)
def test_what_may_be_no_number_is_open(function):
    net, samples = (
        Function(function, nn.Linear(3, 2)),
        Samples(torch.rand(4, 3).numpy(), np.zeros(4, int), np.arange(4)),
    )
    certifier = Certifier.of(net, torch.rand(1, 3), LpThreat.parse("linf:1"))
    found = certify(certifier, samples, np.ones(4, dtype=bool), "alpha-crown")
    assert not found.certified.any()
    assert not np.isnan(found.margin).any()
