"""Defences whose gradient is there, and wrong: detached paths, other networks' gradients, slips in a backward pass."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from tests.trust.defences import replace_layers


def change(base: nn.Module, **attributes: Any) -> nn.Module:
    """Copy a network with other attributes: what it detaches, how much of a loop it tracks."""
    base = copy.deepcopy(base)
    for name, value in attributes.items():
        if not hasattr(base, name):
            raise AttributeError(f"{type(base).__name__} has no {name}")
        setattr(base, name, value)
    return base


class WithoutGrad(nn.Module):
    """A branch that is computed under no_grad."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.branch(x)


def freeze_branch(base: nn.Module, which: int) -> nn.Module:
    base = copy.deepcopy(base)
    base.branches[which] = WithoutGrad(base.branches[which])
    return base


class Deployed(nn.Module):
    """The answers of one network with the gradients of another."""

    def __init__(self, deployed: nn.Module, twin: nn.Module) -> None:
        super().__init__()
        self.deployed, self.twin = deployed, twin

    def forward(self, x: Tensor) -> Tensor:
        smooth = self.twin(x)
        return self.deployed(x.detach()).detach() + smooth - smooth.detach()


class Levels(nn.Module):
    """Weights rounded to a few levels, as a parametrisation."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, weight: Tensor) -> Tensor:
        step = 2 * weight.detach().abs().amax() / self.levels
        return (weight / step).round() * step


def quantise(base: nn.Module, levels: int) -> nn.Module:
    """Round the weights of every layer to levels, as a deployment does."""
    base = copy.deepcopy(base)
    for module in base.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            parametrize.register_parametrization(module, "weight", Levels(levels))
            parametrize.remove_parametrizations(module, "weight")
    return base


class Slip(torch.autograd.Function):
    """`forward` of the values, and `backward` of (values, gradient), whether it is right or not."""

    @staticmethod
    def forward(ctx, x, forward, backward):
        ctx.save_for_backward(x)
        ctx.backward_ = backward
        return forward(x)

    @staticmethod
    def backward(ctx, grad):
        return ctx.backward_(ctx.saved_tensors[0], grad), None, None


class Slipped(nn.Module):
    """A function with a backward pass of its own."""

    def __init__(self, function: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.backward_ = function, backward

    def forward(self, x: Tensor) -> Tensor:
        return Slip.apply(x, self.function, self.backward_)


def keep(x: Tensor) -> Tensor:
    return x.clone()


def scale_coordinates(base: nn.Module, factors: Tensor) -> nn.Module:
    """Put before the network an identity whose gradient is multiplied by factors, (1, 8, 8)."""
    return nn.Sequential(Slipped(keep, lambda x, grad: grad * factors), copy.deepcopy(base))


def make_checkerboard() -> Tensor:
    places = torch.arange(8)
    return ((places[:, None] + places) % 2).float()[None]


def draw_factors(choices: tuple[float, ...], seed: int) -> Tensor:
    which = torch.randint(len(choices), (1, 8, 8), generator=torch.Generator().manual_seed(seed))
    return torch.tensor(choices)[which]


class Hooked(nn.Module):
    """A network whose input, or the output of a layer, has a hook on its gradient."""

    def __init__(self, base: nn.Module, hook: Callable[[Tensor], Tensor], layer: str = "") -> None:
        super().__init__()
        self.base, self.hook = copy.deepcopy(base), hook
        if layer:
            self.base.get_submodule(layer).register_forward_hook(lambda module, inputs, output: self.watch(output))
        self.layer = layer

    def watch(self, values: Tensor) -> Tensor:
        values = values.clone() if values.requires_grad else values
        if values.requires_grad:
            values.register_hook(self.hook)
        return values

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x if self.layer else self.watch(x))


def drop_largest(share: float) -> Callable[[Tensor], Tensor]:
    """Make a hook that sets the largest of each sample's gradients to 0."""

    def hook(grad: Tensor) -> Tensor:
        flat = grad.flatten(1).abs()
        least = flat.topk(max(1, round(share * flat.shape[1])), 1).values[:, -1:]
        return (grad.flatten(1) * (flat < least)).view_as(grad)

    return hook


def relu_mask_swapped(base: nn.Module, leak: float) -> nn.Module:
    """ReLU whose backward pass takes the slope of the other side, all but `leak`."""
    slip = Slipped(F.relu, lambda u, grad: grad * torch.where(u > 0, leak, 1.0))
    return replace_layers(base, nn.ReLU, lambda _: slip)


def sine_of_sine(base: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """A sine whose backward pass forgets that its slope is a cosine."""
    return replace_layers(base, kind, lambda _: Slipped(torch.sin, lambda u, grad: grad * u.sin()))


def untransposed(base: nn.Module) -> nn.Module:
    """Square linear layers whose backward pass does not transpose the weight."""

    def make(layer: nn.Linear) -> nn.Module:
        if layer.in_features != layer.out_features:
            return layer
        return Slipped(layer, lambda u, grad: grad @ layer.weight.T)

    return replace_layers(base, nn.Linear, make)


def unflipped(base: nn.Module) -> nn.Module:
    """Convolutions with as many channels in as out, whose backward pass is another forward one."""

    def make(layer: nn.Conv2d) -> nn.Module:
        if layer.in_channels != layer.out_channels:
            return layer
        return Slipped(layer, lambda u, grad: F.conv2d(grad, layer.weight, padding=1))

    return replace_layers(base, nn.Conv2d, make)


def turned(base: nn.Module) -> nn.Module:
    """A turn by a quarter, and back; the backward pass of the first turns the wrong way."""
    there = Slipped(lambda x: x.rot90(1, (2, 3)), lambda x, grad: grad.rot90(1, (2, 3)))
    return nn.Sequential(there, Slipped(*_turn_back()), copy.deepcopy(base))


def _turn_back() -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]:
    return lambda x: x.rot90(-1, (2, 3)), lambda x, grad: grad.rot90(1, (2, 3))


def shifted(base: nn.Module, by: int) -> nn.Module:
    """A cyclic shift, and back; the backward pass of the first shifts on."""
    there = Slipped(lambda x: x.roll(by, 3), lambda x, grad: grad.roll(by, 3))
    back = Slipped(lambda x: x.roll(-by, 3), lambda x, grad: grad.roll(by, 3))
    return nn.Sequential(there, back, copy.deepcopy(base))


def pool_to_corner(base: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """Pooling whose backward pass gives all to the first element of each window."""

    def to_corner(u: Tensor, grad: Tensor) -> Tensor:
        out = torch.zeros_like(u)
        out[:, :, ::2, ::2] = grad
        return out

    return replace_layers(base, kind, lambda pool: Slipped(pool, to_corner))
