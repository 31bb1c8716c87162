"""Networks without bounds: each is refused in one line that says why, and none is bounded as another one."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks import LpThreat
from robust.certification.certify import Certifier, certify
from robust.certification.errors import NoBoundsError
from robust.data.dataset import Samples
from tests.certification.models import Function

SIZE = 6
UNIT, IMAGE = (SIZE,), (2, 4, 4)
OWN = "the model's own forward"
OTHERWISE = "it answers otherwise than the graph"


def linear():
    return nn.Linear(SIZE, 3)


class Counting(nn.Module):
    """A network that keeps count: in a buffer, or in an attribute."""

    def __init__(self, buffer):
        super().__init__()
        self.register_buffer("seen", torch.zeros(())) if buffer else setattr(self, "seen", 0)
        self.head = linear()

    def forward(self, x):
        self.seen += 1
        return self.head(x) * self.seen


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class Rounded(torch.autograd.Function):
    """A rounding whose derivative is another function's."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


def with_item(x, m):
    x = x.clone()
    x[:, 0] = 0
    return m(x)


def mixed(x, norm):
    return norm(x).flatten(1)[:, :3]


REFUSED = {
    # What it does with its input.
    "control flow": (UNIT, lambda x, m: m(x) if x.sum() > 0 else -m(x), "its control flow depends on the data"),
    "a number of the data": (UNIT, lambda x, m: m(x * x.mean().item()), "(aten::_local_scalar_dense, part of item)"),
    "a mask": (UNIT, lambda x, m: m(x * (x > 0.3)), OWN + " (aten::gt)"),
    "a sign": (UNIT, lambda x, m: m(x.sign()), OWN + " (aten::sign)"),
    "rounding": (UNIT, lambda x, m: m(Rounded.apply(x)), OWN + " (aten::round)"),
    "rounding by division": (
        UNIT,
        lambda x, m: m(torch.div(x, 0.3, rounding_mode="floor")),
        ": no bounds are known for rounding_mode='floor'",
    ),
    "integers": (
        UNIT,
        lambda x, m: m(x.long().float()),
        "part of long): no bounds are known for values of torch.int64",
    ),
    "a sorting": (UNIT, lambda x, m: m(x.sort(1).values), OWN + " (aten::sort)"),
    "an input changed in place": (UNIT, lambda x, m: m(x.mul_(2)), "a forward changes its input in place"),
    "values set": (UNIT, with_item, OWN + " (aten::"),
    "where the maximum is": (
        UNIT,
        lambda x, m: m(x + x.max(1, keepdim=True).indices),
        "(aten::max): no bounds are known for values of torch.int64",
    ),
    "a transform": (UNIT, lambda x, m: m(torch.fft.fft(x).real), "(aten::_fft_r2c, part of fft_fft)"),
    "numpy": (UNIT, lambda x, m: m(torch.from_numpy(x.detach().numpy())), "torch.export cannot read it"),
    "an error": (UNIT, lambda x, m: m(x) * (1 // (len(x) - 1)), "(ZeroDivisionError: "),
    # Products in disguise.
    "lerp by two": (
        UNIT,
        lambda x, m: m(torch.lerp(x, x.flip(1), x)),
        "(aten::lerp): no bounds are known for a weight that",
    ),
    "an angle of two": (UNIT, lambda x, m: m(torch.atan2(x, x.flip(1))), OWN + " (aten::atan2)"),
    "batch norm by the input": (
        UNIT,
        lambda x, m: m(F.batch_norm(x, torch.zeros(SIZE), torch.ones(SIZE), weight=x[0])),
        "(aten::_native_batch_norm_legit_no_training): no bounds are known for weights that depend on the input",
    ),
    "prelu by the input": (
        UNIT,
        lambda x, m: m(torch.prelu(x, x[0, :1])),
        "(aten::prelu): no bounds are known for a slope that",
    ),
    "powers of each": (
        UNIT,
        lambda x, m: m(x ** torch.arange(6.0)),
        "(aten::pow): no bounds are known for an exponent that is a tensor",
    ),
    "powers of a negative number": (
        UNIT,
        lambda x, m: m((-2.0) ** x),
        "(aten::pow): no bounds are known for a base of -2",
    ),
    "clamps to the input": (
        UNIT,
        lambda x, m: m(x.clamp(min=x.flip(1))),
        "(aten::clamp): no bounds are known for a clamp",
    ),
    "a threshold that jumps": (
        UNIT,
        lambda x, m: m(F.threshold(x, 0.5, 0)),
        "(aten::threshold): no bounds are known for a",
    ),
    "a larger constant": (
        UNIT,
        lambda x, m: m(torch.maximum(x[:, :1], torch.ones(SIZE))),
        "for a constant of a larger",
    ),
    "weights of the input": (
        UNIT,
        lambda x, m: m(F.conv1d(x[None], x[None, :, :1])[0]),
        "(aten::conv1d): no bounds are known for weights that depend on the input",
    ),
    "a part of what is called": (UNIT, lambda x, m: m(F.hardshrink(x, 0.1)), OWN + " (aten::le, part of hardshrink)"),
    # Layers without bounds.
    "batch norm of the batch": (IMAGE, mixed, "(aten::", lambda: nn.BatchNorm2d(2, track_running_stats=False)),
    "an LSTM over the batch": ((4, SIZE), lambda x, m: m(x)[0][:, -1], OTHERWISE, lambda: nn.LSTM(SIZE, 3)),
    # Chance.
    "noise": (UNIT, lambda x, m: m(x + 1e-5 * torch.randn(1, SIZE)), OWN + " (aten::randn)"),
    "noise like the input": (UNIT, lambda x, m: m(x + 1e-5 * torch.randn_like(x)), OWN + " (aten::randn_like)"),
    "dropout that stays": (UNIT, lambda x, m: m(F.dropout(x)), OWN + " (aten::native_dropout)"),
    # What it answers.
    "two answers": (UNIT, lambda x, m: (m(x), x), "it answers with a tuple, expected one tensor of logits"),
    "a dictionary": (UNIT, lambda x, m: {"logits": m(x)}, "it answers with a dict, expected one tensor of logits"),
    "nothing": (UNIT, lambda x, m: None, "its answer does not depend on its input"),
    "a constant": (UNIT, lambda x, m: m(torch.zeros(len(x), SIZE)), "its answer does not depend on its input"),
    "one logit": (UNIT, lambda x, m: m(x)[:, :1], "with the shape (1, 1), expected (1, classes)"),
    "a map": (UNIT, lambda x, m: m(x).unsqueeze(2), "with the shape (1, 3, 1), expected (1, classes)"),
    # A graph that is not what it answers.
    "gradient mode": (UNIT, lambda x, m: m(x) * (1 if torch.is_grad_enabled() else 2), OTHERWISE),
    "other samples": (UNIT, lambda x, m: m(x - x.mean(0)), OTHERWISE),
    "their number": (UNIT, lambda x, m: m(x) / len(x), OTHERWISE),
}
MODULES = {
    "a count in a buffer": (lambda: Counting(True), "it keeps state: a forward changes its buffer 'seen'"),
    "a count in an attribute": (lambda: Counting(False), OTHERWISE),
    "two inputs": (TwoInputs, "missing a required argument: 'y'"),
}
QUICK = ["control flow", "a mask", "numpy", "lerp by two", "noise", "two answers", "a constant"]
QUICK += ["gradient mode", "other samples"]


def bound(module, shape, n=1):
    """Bound a sample as a run does."""
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))
    certifier = Certifier.of(module, x[:1], LpThreat.parse("linf:0.05"))
    return certify(certifier, Samples(x.numpy(), np.zeros(n, int), np.arange(n)), np.ones(n, dtype=bool), "crown")


def assert_refused(module, shape, line):
    with pytest.raises(NoBoundsError) as caught:
        bound(module, shape)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in REFUSED]
)
def test_a_network_without_bounds_is_refused_in_one_line(name, capfd):
    shape, function, line, *make = REFUSED[name]
    assert_refused(Function(function, make[0]() if make else linear()), shape, line)
    assert capfd.readouterr() == ("", "")  # torch's own report of many lines is not shown


@pytest.mark.parametrize("name", MODULES)
def test_a_module_without_bounds_is_refused_in_one_line(name):
    make, line = MODULES[name]
    assert_refused(make(), UNIT, line)


@pytest.mark.slow
def test_scripts_are_refused():
    net = nn.Sequential(linear(), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        programs = [torch.jit.script(net), torch.jit.trace(net, torch.zeros(1, SIZE))]
    for each in programs:
        assert_refused(each, UNIT, "torch.export reads no scripted or traced module")


WRAPPERS = [
    nn.DataParallel,
    lambda net: torch.compile(net, backend="eager"),
    lambda net: nn.Sequential(net, nn.Dropout()),
]


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_wrappers_are_read_through(wrap):
    torch.manual_seed(0)
    net = nn.Sequential(linear(), nn.ReLU())
    x = torch.rand(5, SIZE)
    samples = Samples(x.numpy(), net(x).argmax(1).numpy(), np.arange(5))
    found, expected = (
        certify(Certifier.of(each, x[:1], LpThreat.parse("linf:0.01")), samples, np.ones(5, dtype=bool), "crown")
        for each in (wrap(net), net)
    )
    np.testing.assert_allclose(found.margin, expected.margin, atol=1e-5)


def test_a_network_and_the_random_state_are_left_as_they_were():
    net = nn.Sequential(linear(), nn.BatchNorm1d(3), nn.Dropout()).train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    before = torch.random.get_rng_state()
    bound(net, UNIT)
    assert torch.equal(before, torch.random.get_rng_state())
    assert [each.training for each in net] == [True, False, True]
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, True]


def test_an_overflow_of_float32_is_open():
    net = Function(lambda x, m: m(x * 1e30 * 1e30 / 1e30 / 1e30), linear())
    assert not bound(net, UNIT, 3).certified.any()
