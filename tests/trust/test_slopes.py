"""Gradients are held to slopes: right ones agree to many digits, wrong ones do not."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, Rng
from robust.attacks.task import Task
from robust.trust.slopes import copy_in_float64, measure_slopes, reach
from tests.attacks.models import inputs

X = inputs(12, dtype=torch.float32)
THREAT = LpThreat.parse("linf:0.1")


class Net(nn.Module):
    """A smooth network, with a change before it and one after it."""

    def __init__(self, before=lambda x: x, after=lambda z: z):
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(0)
            layers = nn.Linear(64, 30), nn.Tanh(), nn.Linear(30, 10)
        self.net, self.before, self.after = nn.Sequential(nn.Flatten(), *layers).eval(), before, after

    def forward(self, x):
        return self.after(self.net(self.before(x)))


def measure(module, wrap=None, rows=slice(None)):
    x, index = X[rows], torch.arange(len(X))[rows]
    with torch.no_grad():
        task = Task.of(module, x, module(x.clone()).argmax(1), THREAT, Rng.of(0, index))
        return measure_slopes(task, module, wrap)


def straight_through(x):
    return x + ((128 * x).round() / 128 - x).detach()


def half_detached(x):
    return torch.cat((x[..., :4], x[..., 4:].detach()), -1)


def test_a_right_gradient_agrees_to_six_digits():
    slopes = measure(Net())

    assert slopes.fine.max() < 1e-6
    assert not slopes.flat.any()
    assert not slopes.wrong(0.1, 0.6).any()


@pytest.mark.parametrize(
    "wrong",
    [Net(half_detached), Net(lambda x: 2 * x.detach() - x), Net(after=torch.Tensor.detach)],
    ids=["half", "sign", "none"],
)
def test_a_wrong_gradient_does_not(wrong):
    slopes = measure(wrong)

    assert slopes.error.min() > 0.2
    assert slopes.wrong(0.1, 0.6).all()


def test_the_gradient_of_another_model_with_the_same_answers_can_be_measured():
    assert measure(Net(half_detached), wrap=lambda module: Net().to(module.net[1].weight)).fine.max() < 1e-6


def test_a_model_that_rounds_with_a_gradient_straight_through_is_held_to_coarse_slopes():
    slopes = measure(Net(straight_through))

    assert slopes.flat.all()
    assert torch.equal(slopes.error, slopes.coarse)
    assert slopes.coarse.median() < 0.2
    assert not slopes.wrong(0.1, 0.6).any()
    assert measure(Net(lambda x: straight_through(half_detached(x)))).wrong(0.1, 0.6).float().mean() > 0.5


def test_a_rounded_model_without_a_gradient_is_right_and_constant():
    slopes = measure(Net(lambda x: (128 * x).round() / 128))

    assert slopes.still.all()
    assert not slopes.flat.any()
    assert not measure(Net(after=torch.Tensor.detach)).still.any()


def test_of_many_rounded_values_some_pass_an_edge():
    """At 3e4 levels most steps of 1e-6 have an edge between their ends, for some of 64 values."""
    slopes = measure(Net(lambda x: x + ((3e4 * x).round() / 3e4 - x).detach()))

    assert slopes.flat.all()
    assert slopes.coarse.max() < 0.01


def test_kinks_between_the_ends_of_a_step_do_not_count_in_a_shorter_one():
    """A folded input has its kinks between the ends of coarse steps, and hardly between those of short ones."""
    slopes = measure(Net(lambda x: (20 * x).sin().abs() / 20))

    assert (slopes.fine < 1e-6).float().mean() > 0.9
    assert slopes.coarse.median() > 0.01


class Refuses(Net):
    """A network that takes float32 alone."""

    def forward(self, x):
        if x.dtype != torch.float32:
            raise TypeError("float32 alone")
        return super().forward(x)


@pytest.mark.parametrize("make", [Refuses, lambda *a: Net(*a, after=torch.Tensor.float)], ids=["refuses", "answers"])
def test_a_model_without_float64_is_measured_in_float32(make):
    assert copy_in_float64(make(), X) is None
    assert measure(make()).fine.max() < 0.01
    assert measure(make(half_detached)).fine.min() > 0.2


class Single(Net):
    """A network that computes in float32 whatever it is given, and answers in the type of its inputs."""

    def forward(self, x):
        return super().forward(x.float().to(self.net[1].weight)).float().to(x)


@pytest.mark.parametrize(
    "sound",
    [Single(), Net(lambda x: x.float().to(x)), Net(after=lambda z: z.float().to(z))],
    ids=["inside", "inputs", "answers"],
)
def test_casts_to_float32_inside_are_no_wrong_gradient(sound):
    assert not measure(sound).wrong(0.1, 0.6).any()


class Half(Net):
    """A network that computes in half precision."""

    def __init__(self, dtype, before=lambda x: x):
        super().__init__(before)
        self.dtype = dtype

    def forward(self, x):
        return self.net.to(self.dtype)(self.before(x).to(self.dtype)).to(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_no_wrong_gradient_and_hides_none(dtype):
    assert not measure(Half(dtype)).wrong(0.1, 0.6).any()
    assert measure(Half(dtype, half_detached)).wrong(0.1, 0.6).float().mean() > 0.5


def test_a_copy_in_float64_has_more_digits_and_leaves_the_model_as_it_is():
    module = Net()
    double = copy_in_float64(module, X)

    assert double(X.double()).dtype == torch.float64
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_a_sample_has_the_same_errors_in_any_batch():
    whole, part = measure(Net(half_detached)), measure(Net(half_detached), rows=slice(7, 9))

    torch.testing.assert_close(whole.fine[7:9], part.fine, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("norm", "step"), [("linf", 0.1), ("l2", 0.1 / 8), ("l1", 0.1 / 64)])
def test_a_step_along_signs_reaches_the_edge(norm, step):
    assert reach(LpThreat.parse(f"{norm}:0.1"), X) == pytest.approx(step)
