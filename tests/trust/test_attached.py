"""All that stops or changes a gradient is left out, the answers stay, and nothing of it outlives a block."""

import pytest
import torch
from torch import nn
from torch.autograd import Function

from robust.trust.attached import Attached, attached

X = torch.linspace(-1, 1, 12).view(3, 4)
WEIGHT = torch.tensor([[1.0, -2.0], [0.5, 3.0], [2.0, 0.0], [-1.0, 1.0]])


class Plain(nn.Module):
    """A linear model of what `way` makes of the inputs; a sound `way` makes twice the inputs."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        return self.way(x) @ WEIGHT


def detach_first(x):
    return torch.cat((2 * x[:, :2].detach(), 2 * x[:, 2:]), 1)


def set_by_call(x):
    torch.set_grad_enabled(False)
    y = 2 * x
    torch.set_grad_enabled(True)
    return y


def in_block(block):
    def way(x):
        with block():
            y = 2 * x
        return y + 0

    return way


@torch.no_grad()
def decorated(x):
    return 2 * x


@torch.no_grad
def decorated_bare(x):
    return 2 * x


def hooked(x):
    y = 2 * x
    if y.requires_grad:
        y.register_hook(torch.zeros_like)
    return y


class Old(Function):
    """The context comes first."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.mark_non_differentiable()
        return factor * x

    @staticmethod
    def backward(ctx, grad):
        return torch.zeros_like(ctx.saved_tensors[0]), None


class New(Function):
    """The context comes apart."""

    @staticmethod
    def forward(x, factor):
        return factor * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:1])

    @staticmethod
    def backward(ctx, grad):
        return -grad, None


apply_old, apply_new = Old.apply, New.apply  # as most code does


STOPPED = {
    "detach": detach_first,
    "torch.detach": lambda x: 2 * torch.detach(x),
    "torch.detach by keyword": lambda x: 2 * torch.detach(input=x),
    "detach_": lambda x: (2 * x).detach_(),
    "data": lambda x: 2 * x.data,
    "no_grad": in_block(torch.no_grad),
    "no_grad as a decorator": decorated,
    "no_grad as a bare decorator": decorated_bare,
    "inference_mode": in_block(torch.inference_mode),
    "inference_mode as a decorator": torch.inference_mode()(lambda x: 2 * x),
    "set_grad_enabled in a block": in_block(lambda: torch.set_grad_enabled(False)),
    "set_grad_enabled": set_by_call,
    "register_hook": hooked,
}
REPLACED = {
    "the context first": lambda x: Old.apply(x, 2.0),
    "the context apart": lambda x: New.apply(x, 2.0),
    "the context first, by another name": lambda x: apply_old(x, 2.0),
    "the context apart, by another name": lambda x: apply_new(x, 2.0),
}


def gradient(module, x=X):
    """Return the gradient of the first logit; zeros if there is none."""
    leaf = x.clone().requires_grad_()
    answer = module(leaf)[:, 0].sum()
    if not answer.requires_grad:
        return torch.zeros_like(x)
    grad = torch.autograd.grad(answer, leaf, allow_unused=True)[0]
    return torch.zeros_like(x) if grad is None else grad


RIGHT = (2 * WEIGHT[:, 0]).expand(3, 4)


@pytest.mark.parametrize("name", STOPPED)
def test_what_stops_a_gradient_is_left_out(name):
    module = Plain(STOPPED[name])

    assert not torch.equal(gradient(module), RIGHT)
    assert torch.equal(gradient(Attached(module)), RIGHT)
    assert torch.equal(Attached(module)(X), module(X))
    assert not torch.equal(gradient(module), RIGHT)


@pytest.mark.parametrize("name", REPLACED)
def test_the_backward_pass_of_a_function_is_left_out_if_asked(name):
    module = Plain(REPLACED[name])

    assert not torch.equal(gradient(module), RIGHT)
    assert not torch.equal(gradient(Attached(module)), RIGHT)
    assert torch.equal(gradient(Attached(module, functions=True)), RIGHT)
    assert torch.equal(Attached(module, functions=True)(X), module(X))
    assert not torch.equal(gradient(module), RIGHT)


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize("method", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_hooks_of_modules_are_left_out_and_put_back(method):
    double = Double()
    getattr(double, method)(lambda module, *grads: (torch.zeros_like(grads[0][0]),))
    module = Plain(double)

    assert not gradient(module).any()
    assert torch.equal(gradient(Attached(module)), RIGHT)
    assert not gradient(module).any()


@pytest.mark.parametrize("way", [torch.round, torch.Tensor.round, torch.floor, lambda x: torch.round(input=x)])
def test_rounding_passes_straight_through_if_asked(way):
    module = Plain(lambda x: way(4 * x) / 2)

    assert not gradient(Attached(module)).any()
    assert torch.equal(gradient(Attached(module, through=True)), RIGHT)
    assert torch.equal(Attached(module, through=True)(X), module(X))


def test_rounding_under_detach_passes_too():
    module = Plain(lambda x: 2 * (x + ((4 * x.detach()).round() / 4)) / 2)

    assert torch.equal(gradient(Attached(module, through=True)), RIGHT)


def test_nothing_stays_patched_after_an_exception():
    def fail(x):
        raise RuntimeError("no answer")

    double = Double()
    double.register_full_backward_hook(lambda module, *grads: None)
    module = Plain(nn.Sequential(double))
    kept = dict(double._backward_hooks)
    module.fail = Plain(fail)

    def run():
        with attached(module, functions=True, through=True):
            assert not double._backward_hooks
            module.fail(X)

    with pytest.raises(RuntimeError, match="no answer"):
        run()

    assert double._backward_hooks == kept
    leaf = X.clone().requires_grad_()
    with torch.no_grad():
        assert not (2 * leaf).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert (2 * X).is_inference()
    assert torch.is_grad_enabled()
    assert not leaf.detach().requires_grad
    assert not gradient(Plain(REPLACED["the context first"])).any()
    assert not gradient(Plain(REPLACED["the context first, by another name"])).any()
