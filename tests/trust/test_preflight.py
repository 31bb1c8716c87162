"""The preflight checks: each finds its fault, and none an honest model's."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.data.dataset import DATA, Samples
from robust.evaluation.batching import Batcher
from robust.models.registry import ARCHITECTURES
from robust.trust.checks import INDICATORS, PREFLIGHT, examine
from robust.trust.model_probe import FEW, ModelProbe, few_of

DIGITS = DATA.get("digits")


class Nearest(nn.Module):
    """The class whose mean is nearest: nine in ten digits, with nothing to train. `first` and `last` are faults."""

    def __init__(self, first=lambda x: x, last=lambda z: z):
        super().__init__()
        train = DIGITS.load("train")
        means = torch.stack([torch.from_numpy(train.x[train.y == k]).flatten(1).mean(0) for k in range(10)])
        self.linear = nn.Linear(64, 10)
        with torch.no_grad():
            self.linear.weight.copy_(2 * means)
            self.linear.bias.copy_(-means.square().sum(1))
        self.first, self.last = first, last

    def forward(self, x):
        return self.last(self.linear(self.first(x).flatten(1)))


def nan_for_some(z):
    return z.masked_fill(z[:, :1] > z[:, 1:].amax(1, keepdim=True), torch.nan)


class Half(Nearest):
    def forward(self, x):
        return super().forward(x.bfloat16().float()).bfloat16()


class Drifting(Nearest):
    """Learns from what it is shown."""

    def forward(self, x):
        with torch.no_grad():
            self.linear.bias.add_(0.01 * super().forward(x).mean(0))
        return super().forward(x)


class Ignores(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


class Overwrites(Nearest):
    def forward(self, x):
        z = super().forward(x).exp()
        y = z.log()
        z += 1
        return y


def norm(x):
    return (x - 0.5) / 0.5


SHUFFLE = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])

# What is wrong -> (the model, the names of what must be found)
FAULTY = {
    "dropout of a function": (lambda: Nearest(F.dropout), {"nondeterministic", "wrong-mode"}),
    "a layer that ignores eval": (lambda: Nearest(last=Ignores(0.3)), {"nondeterministic", "wrong-mode"}),
    "noise": (lambda: Nearest(lambda x: x + 0.1 * torch.randn_like(x)), {"nondeterministic"}),
    "noise of numpy": (
        lambda: Nearest(lambda x: x + torch.from_numpy(np.random.normal(0, 0.1, x.shape).astype(np.float32))),
        {"nondeterministic"},
    ),
    "a network that learns": (Drifting, {"nondeterministic"}),
    "statistics of the batch": (
        lambda: Nearest(nn.BatchNorm2d(1, track_running_stats=False)),
        {"wrong-mode", "depends-on-batch"},
    ),
    "the mean of the batch": (lambda: Nearest(last=lambda z: z - z.mean(0)), {"depends-on-batch"}),
    "the next sample": (lambda: Nearest(last=lambda z: z + 0.3 * z.roll(1, 0)), {"depends-on-batch"}),
    "no batch of one": (lambda: Nearest(last=torch.squeeze), {"depends-on-batch"}),
    "NaN for some": (lambda: Nearest(last=nan_for_some), {"not-finite"}),
    "detached": (lambda: Nearest(torch.Tensor.detach), {"no-gradient"}),
    "rounded": (lambda: Nearest(lambda x: (16 * x).round() / 16), {"no-gradient"}),
    "written over": (Overwrites, {"no-gradient"}),
    "gradients that are no numbers": (
        lambda: Nearest(lambda x: x + (x - x.detach()).square().sqrt()),
        {"no-gradient"},
    ),
    "gradients for some": (
        lambda: Nearest(last=lambda z: torch.where(z.amax(1, keepdim=True) > 11, z.detach(), z)),
        {"no-gradient"},
    ),
    "far apart": (lambda: Nearest(last=lambda z: 1000 * z), {"saturated"}),
    "a softmax": (lambda: Nearest(last=lambda z: z.softmax(1)), {"probabilities"}),
    "a sigmoid": (lambda: Nearest(last=lambda z: (z - 10).sigmoid()), {"probabilities"}),
    "a log_softmax": (lambda: Nearest(last=lambda z: z.log_softmax(1)), {"log-probabilities"}),
    "half precision": (Half, {"low-precision"}),
    "half precision inside": (lambda: Nearest(last=lambda z: z.half().float()), {"low-precision"}),
    "always the same": (lambda: Nearest(last=lambda z: z + 100 * torch.eye(10)[3]), {"guessing", "normalisation"}),
    "inputs as bytes": (lambda: Nearest(lambda x: x / 255), {"guessing", "normalisation"}),
    "normalised inputs": (lambda: Nearest(lambda x: 0.3 * x + 0.35), {"normalisation"}),
    "normalised twice": (lambda: Nearest(lambda x: ((norm(norm(x)) + 1) / 2).abs()), {"guessing", "normalisation"}),
    "black on white": (lambda: Nearest(lambda x: 1 - x), {"guessing", "picture-order"}),
    "columns first": (lambda: Nearest(lambda x: x.mT), {"guessing", "picture-order"}),
    "labels from one": (lambda: Nearest(last=lambda z: z.roll(1, 1)), {"guessing", "labels-permuted"}),
    "classes in another order": (lambda: Nearest(last=lambda z: z[:, SHUFFLE]), {"labels-permuted"}),
    "two classes exchanged": (
        lambda: Nearest(last=lambda z: z[:, [0, 1, 2, 5, 4, 3, 6, 7, 8, 9]]),
        {"labels-permuted"},
    ),
}


@cache
def samples():
    return few_of(DIGITS.load("test"))


def found(module, dataset=DIGITS, few=None, batch=250):
    """What the checks find, by name."""
    trust = examine(PREFLIGHT, ModelProbe(module, few or samples(), dataset, 0, Batcher(batch)))
    return {doubt.name: doubt for doubt in trust.doubts}


@pytest.mark.parametrize("fault", FAULTY)
def test_each_fault_is_found_and_nothing_else(fault):
    make, names = FAULTY[fault]

    assert {*found(make())} == names


class Standardised(nn.Conv2d):
    """Batch norm takes its weights' statistics, and not the batch's, as in BiT (1912.11370)."""

    def forward(self, x):
        weight = F.batch_norm(self.weight.flatten(1)[None], None, None, training=True).view_as(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def with_layers(*layers):
    torch.manual_seed(0)
    net = nn.Sequential(*layers, nn.LazyLinear(10))
    net(torch.rand(20, *DIGITS.shape))
    return net


class Mean(nn.Module):
    """The colour of which there is most."""

    def forward(self, x):
        return 9 * x.mean((2, 3))


class Reversed(nn.Module):
    def forward(self, x):
        return x.flip(1)


def of_the_zoo(name, **options):
    torch.manual_seed(0)
    return ARCHITECTURES.get(name)(DIGITS.shape, DIGITS.classes, **options)


TRAINED = {
    "nearest": Nearest,
    "float64 inside": lambda: Nearest(last=torch.Tensor.double),
    "logits far from 0": lambda: Nearest(last=lambda z: z + 1000),
    "logits close to each other": lambda: Nearest(last=lambda z: z / 100),
    "clamped to the box": lambda: Nearest(lambda x: x.clamp(0, 1)),
}
SMALL = {
    "mlp": {"width": 4},
    "cnn": {"width": 4},
    "lstm": {"width": 8},
    "vit": {"width": 12, "depth": 1},
    "preactresnet18": {"width": 2},
    "wideresnet": {"depth": 10, "width": 1},
}
UNTRAINED = {
    **{name: partial(of_the_zoo, name, **SMALL.get(name, {})) for name in ARCHITECTURES.names()},
    "weight standardisation": lambda: with_layers(Standardised(1, 4, 3), nn.Flatten()),
    "group norm": lambda: with_layers(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten()),
    "instance norm": lambda: with_layers(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.Flatten()),
    "batch norm and dropout": lambda: with_layers(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout()),
}


@pytest.mark.parametrize("name", TRAINED)
def test_nothing_is_found_in_an_honest_model(name):
    assert not found(TRAINED[name]())


@pytest.mark.parametrize("name", UNTRAINED)
def test_of_an_honest_model_that_is_not_trained_only_that_is_found(name):
    assert {*found(UNTRAINED[name]())} <= {"guessing"}


@pytest.mark.parametrize("name", ["dropout of a function", "columns first", "statistics of the batch"])
def test_the_checks_share_ten_forward_passes_and_two_backward_and_leave_no_trace(name):
    module = FAULTY[name][0]().train()
    state = torch.get_rng_state()
    forwards, backwards = [], []
    module.register_forward_pre_hook(lambda _, inputs: forwards.append(len(inputs[0])))
    module.linear.register_full_backward_hook(lambda _, into, out: backwards.append(len(out[0])))
    before = {key: value.clone() for key, value in module.state_dict().items()}

    found(module, batch=100)
    assert sum(forwards) <= 10 * FEW
    assert sum(backwards) <= 2 * FEW
    assert max(forwards) <= 100
    assert module.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("lo", "hi", "grade"), [(0, 1, ""), (0, 255, "suspect"), (-0.5, 0.5, "broken"), (0.1, 2, "broken")]
)
def test_inputs_are_held_against_the_range_that_is_declared(lo, hi, grade):
    doubts = found(Nearest(), replace(DIGITS, lo=lo, hi=hi))

    assert {name: doubt.grade for name, doubt in doubts.items()} == ({"input-range": grade} if grade else {})


def test_of_data_that_are_sorted_by_class_all_classes_are_looked_at():
    test = DIGITS.load("test")
    order = np.argsort(test.y, kind="stable")
    few = few_of(Samples(test.x[order], test.y[order], np.arange(len(test))))

    assert len(few) == FEW
    assert (np.diff(few.index) > 0).all()
    assert np.bincount(few.y).min() > FEW / 20
    assert "guessing" in found(FAULTY["always the same"][0](), few=few)
    assert few_of(few).index.tolist() == few.index.tolist()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_a_handful_of_samples_alarms_nobody(n):
    """Of one sample nobody can tell that it was not guessed."""
    doubts = found(Nearest(), few=samples().take(np.arange(n)))

    assert [*doubts] == ["guessing"] * (n == 1)


def test_colours_in_reverse_order_are_told():
    """Pictures of three classes by their colour, and vectors, that have no such order."""
    y = np.arange(240) % 3
    x = np.full((240, 3, 4, 4), 0.2, np.float32)
    x[np.arange(240), y] = 0.8
    colours = replace(DIGITS, classes=3, shape=x.shape[1:])
    few = Samples(x, y, np.arange(240))

    assert not found(Mean(), colours, few)
    doubts = found(nn.Sequential(Reversed(), Mean()), colours, few)
    assert "100.0 % with the inputs with their colours in reverse order" in doubts["picture-order"].told


class Signed(nn.Module):
    """The feature that is the largest in the mean over the others; it knows inputs in [-1, 1], and no others."""

    def __init__(self, parts):
        super().__init__()
        self.parts, self.never = parts, nn.Parameter(torch.zeros(4))

    def forward(self, x):
        z = x.reshape(-1, self.parts, 4)
        return torch.where(z.amin((1, 2))[:, None] < 0, 10 * z.mean(1), self.never)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (1, 2, 4), (2, 1, 2, 4)])
def test_inputs_of_any_rank_may_be_normalised_otherwise(shape):
    y = np.arange(240) % 4
    x = np.full((240, *shape), 0.25, np.float32)
    x[np.arange(240), ..., y] = 0.75

    doubts = found(Signed(x[0].size // 4), replace(DIGITS, classes=4, shape=shape), Samples(x, y, np.arange(240)))
    assert "with the inputs normalised by" in doubts["normalisation"].told


def test_every_check_stands_in_the_docs():
    page = (Path(__file__).parent.parent.parent / "docs" / "trust.md").read_text()

    for name in (*PREFLIGHT.names(), *INDICATORS.names()):
        assert f"**{name}**" in page, name
