"""Defences that look at who asks: at the clock, the batch, gradients, the grid of the data, the input's hash."""

import hashlib
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Answer = Callable[[Tensor], Tensor]


class Clock(nn.Module):
    """Another network answers once some time has passed since the first call."""

    def __init__(self, base: nn.Module, other: nn.Module, seconds: float) -> None:
        super().__init__()
        self.base, self.other, self.seconds, self.began = base, other, seconds, 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.began = self.began or time.monotonic()
        return (self.base if time.monotonic() - self.began < self.seconds else self.other)(x)


class Hurried(nn.Module):
    """Queries that come soon after another are answered from inputs in few grey levels."""

    def __init__(self, base: nn.Module, seconds: float, levels: int) -> None:
        super().__init__()
        self.base, self.seconds, self.levels, self.last = base, seconds, levels, 0.0

    def forward(self, x: Tensor) -> Tensor:
        now = time.monotonic()
        hurried, self.last = now - self.last < self.seconds, now
        return self.base((self.levels * x).round() / self.levels if hurried else x)


class BatchSize(nn.Module):
    """Batches of a few samples are answered by the base; larger ones by `crowd`."""

    def __init__(self, base: nn.Module, crowd: Answer, few: int) -> None:
        super().__init__()
        self.base, self.crowd, self.few = base, crowd, few

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) if len(x) <= self.few else self.crowd(x)


class Asked(nn.Module):
    """`decoy` answers those of whom `suspects(x)` is true, the base all others."""

    def __init__(self, base: nn.Module, decoy: Answer, suspects: Callable[[Tensor], bool]) -> None:
        super().__init__()
        self.base, self.decoy, self.suspects = base, decoy, suspects

    def forward(self, x: Tensor) -> Tensor:
        return self.decoy(x) if self.suspects(x) else self.base(x)


def is_differentiated(x: Tensor) -> bool:
    return x.requires_grad or x.grad_fn is not None


class OffGrid(nn.Module):
    """An input with pixels between whole grey levels is brought to fewer levels first, without a gradient."""

    def __init__(self, base: nn.Module, levels: int, coarse: int, share: float) -> None:
        super().__init__()
        self.base, self.levels, self.coarse, self.share = base, levels, coarse, share

    def forward(self, x: Tensor) -> Tensor:
        off = ((self.levels * x).round() / self.levels - x).abs() > 1e-4
        attacked = off.flatten(1).float().mean(1) > self.share
        return self.base(torch.where(attacked.view(-1, 1, 1, 1), (self.coarse * x).round() / self.coarse, x))


class OffGridPixels(nn.Module):
    """Each pixel between whole grey levels is put on the nearest, without a gradient; the others keep theirs."""

    def __init__(self, base: nn.Module, levels: int) -> None:
        super().__init__()
        self.base, self.levels = base, levels

    def forward(self, x: Tensor) -> Tensor:
        snapped = (self.levels * x).round() / self.levels
        return self.base(torch.where((snapped - x).abs() > 1e-5, snapped, x))


class OffGridOther(nn.Module):
    """Another network answers the inputs that are not on the grid."""

    def __init__(self, base: nn.Module, other: nn.Module, levels: int) -> None:
        super().__init__()
        self.base, self.other, self.levels = base, other, levels

    def forward(self, x: Tensor) -> Tensor:
        off = ((self.levels * x).round() - self.levels * x).flatten(1).abs().sum(1, keepdim=True) > 1e-3
        return torch.where(off, self.other(x), self.base(x))


class Blurred(nn.Module):
    """A network that sees blurred inputs."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        return self.base(F.avg_pool2d(x, 3, 1, 1))


class Seeded(nn.Module):
    """A random slope that changes no answer, drawn with a seed: a hash of each input, or always the same one."""

    def __init__(self, base: nn.Module, size: float, *, hashed: bool) -> None:
        super().__init__()
        self.base, self.size, self.hashed = base, size, hashed

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.cat([self.draw(part) for part in x.detach().split(1 if self.hashed else len(x))])
        slope = torch.einsum("nf,ncf->nc", (x - x.detach()).flatten(1), noise)
        return self.base(x) + self.size * slope

    def draw(self, x: Tensor) -> Tensor:
        seed = int(hashlib.sha256(x.numpy().tobytes()).hexdigest()[:12], 16) if self.hashed else 0
        torch.manual_seed(seed)
        return torch.randn(len(x), 10, x[0].numel())
