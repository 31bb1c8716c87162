"""Values that are no numbers, or too large for the type of the deployed network, are never certified."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks import LpThreat
from robust.certification import NoBoundsError, certify_samples, crown
from robust.certification.ball import Ball
from robust.certification.crown import bound_by_lines
from robust.certification.read import read_graph
from robust.certification.slack import measure_slack
from tests.certification.models import Function

MANY = 60  # features, of which random points are far from the corners


def certified(function, x, y, method="alpha-crown"):
    found = certify_samples(Function(function), x, torch.tensor(y), LpThreat.parse("linf:0.1"), method)
    return found.certified.tolist()


def of_log(x):
    """Answer with a sigmoid of a logarithm, which is no number at a corner of the first sample's ball."""
    z = 3 * torch.log(x[:, :MANY].mean(1, keepdim=True) - 0.1) + x[:, MANY : MANY + 1]
    return torch.cat([z.sigmoid(), 10 * F.relu(x[:, MANY + 1 :] - 0.5) + 0.2], 1)


@pytest.mark.parametrize("method", ["crown", "alpha-crown"])
def test_no_bound_of_other_samples_hides_what_is_no_number(method):
    x = torch.full((3, MANY + 2), 0.55)
    x[0, :MANY], x[:, -1] = 0.19, torch.tensor([0.9, 0.3, 0.9])
    y = of_log(x).argmax(1).tolist()
    assert of_log(x[:1] - 0.1).isnan().any()
    assert certified(of_log, x, y, method) == [False, False, True]


LARGE = {
    "float32": lambda z: z * 1e30 * 4.9e8 * 1e-30 * 1e-9,
    "float16": lambda z: (z * 1e5).half().float() * 1e-6,
}


@pytest.mark.parametrize(("name", "at"), [("float32", 0.62), ("float16", 0.58)])
def test_an_overflow_at_a_corner_alone_is_open(name, at):
    def answer(x):
        return torch.cat([1 + 0 * x[:, :1], LARGE[name](x.mean(1, keepdim=True))], 1)

    x = torch.full((1, MANY), at)
    assert answer(x + 0.1).isinf().any()
    assert certified(answer, x, [0]) == [False]
    assert certified(answer, x - 0.2, [0]) == [True]


REFUSED = {
    "a sum of integers": lambda x: x.sum(1, dtype=torch.long).view(1, 1) * x[:, :2],
    "a cumulative sum of integers": lambda x: x.cumsum(1, dtype=torch.long).float(),
    "bits": lambda x: x.view(torch.int32).float(),
    "8 bits": lambda x: x + 1e-3 * x.to(torch.float8_e4m3fn).float(),
    "complex numbers": lambda x: (x * (3 + 4j)).abs(),
    "an ELU that bends ever more": lambda x: torch.ops.aten.elu(x - 0.5, -1.0, 1.0, -1.0),
    "the maximum with integers": lambda x: torch.maximum(x.long(), torch.ones(6)).float(),
    "a window of padding alone": lambda x: F.max_pool1d(x[:, None, :2], 2, 1, 1, 3).sigmoid()[:, 0].expand(1, 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_rounds_or_has_no_order_is_refused(name):
    with pytest.raises(NoBoundsError, match=r"^layer '0' \(aten::"):
        certify_samples(
            nn.Sequential(Function(REFUSED[name])), torch.rand(1, 6), torch.tensor([0]), LpThreat.parse("linf:0.1")
        )


def test_the_rows_that_are_kept_are_made_in_chunks(monkeypatch):
    net, made = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), []
    monkeypatch.setattr(crown, "ROOM", 12)
    spread = crown._spread
    monkeypatch.setattr(crown, "_spread", lambda *args: made.append(len(args[2])) or spread(*args))
    graph = read_graph(net, torch.rand(1, 4))
    kept = crown.spread_values(graph, 1, torch.arange(6))
    assert made == [2, 2, 2]
    assert torch.equal(kept.of[0][0, :, 0].float(), net[0].weight)


def test_numbers_that_are_not_set_prove_nothing():
    def answer(x):
        return torch.cat([x.sum(1, keepdim=True), torch.empty(len(x), 1) * 0], 1)

    with pytest.raises(NoBoundsError, match="otherwise than the graph"):
        certified(answer, torch.full((1, 6), 0.5), [0])


def test_bounds_are_below_what_float32_makes_of_sums_that_cancel():
    """At the corner where the margin is least, exactly 0.001, all terms are large, and nearly cancel."""
    threat, below, exact_is_above = LpThreat.parse("linf:0.1"), [], []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        x, net = torch.rand(1, MANY, generator=generator) * 0.7 + 0.15, nn.Linear(MANY, 2).requires_grad_(False)
        weight = torch.randn(MANY, generator=generator) * 1e4
        net.weight.copy_(torch.stack([weight, 0 * weight]))
        corner = (x.double() - 0.1 * weight.sign()).float()
        net.bias.copy_(torch.stack([0.001 - corner[0].double() @ weight.double(), torch.zeros(()).double()]))
        rounded = (lambda logits: logits[:, 0] - logits[:, 1])(net(corner)).item()
        label = torch.zeros(1, dtype=torch.int64)
        graphs = [read_graph(each, x.to(each.weight.dtype)) for each in (net, copy.deepcopy(net).double())]
        with_room, exact = (bound_by_lines(each, Ball.around(x.double(), threat)).margins(label) for each in graphs)
        below.append(with_room.item() <= rounded)
        exact_is_above.append(exact.item() > rounded)
    assert all(below)
    assert any(exact_is_above)


EVERY_OTHER = torch.tensor([1.0, -1.0]).repeat(4)


def gated(seed):
    """Return a network whose logit 0 is 0 in real numbers: of terms, near one corner of the ball alone, that cancel."""
    generator, pairs = torch.Generator().manual_seed(seed), 32
    net = nn.Sequential(nn.Linear(8, 1), nn.ReLU(), nn.Linear(1, 2 * pairs), nn.ReLU(), nn.Linear(2 * pairs, 2))
    net.requires_grad_(False)
    net[0].weight.copy_(1e5 * EVERY_OTHER)
    net[0].bias.fill_(-7 / 8 * 1e5)  # the corner is at 1e5: nothing passes but of the last eighth
    factors = torch.rand(pairs, 2, generator=generator) + 0.5
    net[2].weight.copy_(factors.reshape(-1, 1))
    net[2].bias.zero_()
    net[4].weight.copy_(torch.stack([(factors.flip(1) * torch.tensor([1, -1])).flatten(), torch.zeros(2 * pairs)]))
    net[4].bias.zero_()
    return net


def test_sums_that_cancel_at_a_corner_that_no_sample_shows_certify_nothing():
    """The measured slack sees 0 wherever it looks; at a corner float32 makes of a sum of 0 enough to fall by."""
    x, label = torch.full((1, 8), 0.5), torch.zeros(1, dtype=torch.int64)
    corner, threat = x + 0.125 * EVERY_OTHER, LpThreat.parse("linf:0.125")
    nets = [gated(seed) for seed in range(20)]
    net, off = min(((each, each(corner)[0, 0].item()) for each in nets), key=lambda found: found[1])
    net[4].bias[0] = -off / 2
    assert threat.admits(corner, x).all()
    assert (net(x).argmax(), net(corner).argmax()) == (0, 1)
    graph = read_graph(copy.deepcopy(net).double(), x.double())
    in_real_numbers = bound_by_lines(graph, Ball.around(x.double(), threat)).margins(label)
    assert in_real_numbers.item() > measure_slack(net, graph, x, threat).item()
    assert not certify_samples(net, x, label, threat).certified.any()
