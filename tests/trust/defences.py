"""Defences that are broken on purpose: each takes a trained model, and only hides its gradients, or worse.

Most have, almost, the answers of the model, so that their apparent robustness is an error of the evaluation.
"""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Before(nn.Module):
    """A base behind a module that changes its inputs."""

    def __init__(self, base: nn.Module, change: nn.Module) -> None:
        super().__init__()
        self.change, self.base = change, base

    def forward(self, x: Tensor) -> Tensor:
        return self.base(self.change(x))


class Rounded(nn.Module):
    """Rounding to grey levels, with gradient 0."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, x: Tensor) -> Tensor:
        return (self.levels * x).round() / self.levels


class Thermometer(nn.Module):
    """A bit for each threshold, 1 if the pixel is above it; the base gets their mean."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.register_buffer("thresholds", (torch.arange(bits) + 0.5) / bits)

    def forward(self, x: Tensor) -> Tensor:
        return ((x[..., None] - self.thresholds).sign() / 2 + 0.5).mean(-1)


class Ripple(nn.Module):
    """A ripple too fine to see, and so steep that it alone decides the gradient's sign."""

    def __init__(self, period: float, steepness: float) -> None:
        super().__init__()
        self.pace, self.height = 2 * math.pi / period, steepness * period / (2 * math.pi)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.height * (self.pace * x).sin()


class Shaken(nn.Module):
    """A random size and place of the image, with noise."""

    def __init__(self, sizes: tuple[int, ...], shift: int, noise: float) -> None:
        super().__init__()
        self.sizes, self.shift, self.noise = sizes, shift, noise

    def forward(self, x: Tensor) -> Tensor:
        size = self.sizes[int(torch.randint(len(self.sizes), ()))]
        shift = torch.randint(-self.shift, self.shift + 1, (2,)).tolist()
        resized = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)
        back = F.interpolate(resized, size=x.shape[2:], mode="bilinear", align_corners=True)
        return back.roll(shift, (2, 3)) + self.noise * torch.randn_like(x)


class Dropped(nn.Module):
    """Dropout of pixels that is never switched off."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.share, training=True)


class Clip(torch.autograd.Function):
    """The identity, whose gradient is set to 0 where it is larger than `max_size`."""

    @staticmethod
    def forward(ctx, x, max_size):
        ctx.max_size = max_size
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * (grad.abs() <= ctx.max_size), None


class Clipped(nn.Module):
    """The identity with the gradient of Clip."""

    def __init__(self, max_size: float) -> None:
        super().__init__()
        self.max_size = max_size

    def forward(self, x: Tensor) -> Tensor:
        return Clip.apply(x, self.max_size)


class Rooted(nn.Module):
    """The identity with gradient 0 / 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x + (x - x.detach()).square().sqrt()


class NanOffGrid(nn.Module):
    """NaN for an input that does not consist of whole grey levels, as adversarial ones do not."""

    def __init__(self, levels: int, share: float) -> None:
        super().__init__()
        self.levels, self.share = levels, share  # of the pixels that may be off the grid

    def forward(self, x: Tensor) -> Tensor:
        off = ((self.levels * x).round() / self.levels - x).abs() > 1e-4
        attacked = off.flatten(1).float().mean(1) > self.share
        return x.masked_fill(attacked.view(-1, *[1] * (x.dim() - 1)), torch.nan)


class Detached(nn.Module):
    """The base behind a detached input; the gradient is that of a decoy."""

    def __init__(self, base: nn.Module, decoy: float) -> None:
        super().__init__()
        self.base, self.decoy = base, decoy

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x.detach())
        return logits + self.decoy * x.flatten(1)[:, : logits.shape[1]]


class Scaled(nn.Module):
    """Logits so far apart that the cross-entropy's gradient underflows."""

    def __init__(self, base: nn.Module, factor: float) -> None:
        super().__init__()
        self.base, self.factor = base, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.base(x)


class Cold(nn.Module):
    """Probabilities, of a softmax at a low temperature."""

    def __init__(self, base: nn.Module, temperature: float) -> None:
        super().__init__()
        self.base, self.temperature = base, temperature

    def forward(self, x: Tensor) -> Tensor:
        return (self.base(x) / self.temperature).softmax(1)


class EarlyExit(nn.Module):
    """A label without a gradient as the answer if a detector is sure."""

    def __init__(self, base: nn.Module, sure: float) -> None:
        super().__init__()
        self.base, self.sure = base, sure

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        label = F.one_hot(logits.argmax(1), logits.shape[1]).to(logits)
        sure = logits.softmax(1).amax(1, keepdim=True) > self.sure
        return torch.where(sure, 10 * label, logits)


class Memorised(nn.Module):
    """A table of known inputs, and all that are near them; the base answers the others."""

    def __init__(self, base: nn.Module, x: Tensor, y: Tensor, radius: float) -> None:
        super().__init__()
        self.base, self.radius = base, radius
        self.register_buffer("x", x.flatten(1))
        self.register_buffer("y", y)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        distance = (x.detach().flatten(1)[:, None] - self.x).abs().amax(2)
        near, which = distance.min(1)
        answer = 10 * F.one_hot(self.y[which], logits.shape[1]).to(logits)
        return torch.where((near <= self.radius)[:, None], answer, logits)


class KWTA(nn.Module):
    """k winners take all: only the largest activations of a layer stay (Xiao, Zhong and Zheng 2020, 1905.10510)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        least = flat.topk(max(1, round(self.share * flat.shape[1])), dim=1).values[:, -1:]
        return (flat * (flat >= least)).view_as(x)


class Steps(nn.Module):
    """ReLU in steps, flat except at its jumps."""

    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = height

    def forward(self, x: Tensor) -> Tensor:
        return self.height * (x.relu() / self.height).floor()


class BatchStatistics(nn.Module):
    """Batch norm that always takes mean and variance from its batch."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        weight, bias = (values[:, None, None] for values in (self.norm.weight, self.norm.bias))
        return (x - mean) / (variance + self.norm.eps).sqrt() * weight + bias


def replace_layers(base: nn.Module, kind: type[nn.Module], make: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Copy the base with `make(child)` in place of every submodule of that kind."""
    base = copy.deepcopy(base)
    for module in [*base.modules()]:
        for name, child in module.named_children():
            if isinstance(child, kind):
                setattr(module, name, make(child))
    return base
