"""Small networks for digits with the parts that a wrong gradient may pass: branches, gates, loops, statistics.

As they stand their gradients are right; `tests.trust.wrong_gradients` changes copies of them.
"""

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS = 64


def conv(width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.LazyConv2d(width, 3, stride, padding=1), nn.ReLU())


class Branches(nn.Module):
    """A sum of the logits of several networks; the inputs of those in `detached` pass no gradient."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches, self.detached = nn.ModuleList(branches), frozenset()

    def forward(self, x: Tensor) -> Tensor:
        return sum(branch(x.detach() if k in self.detached else x) for k, branch in enumerate(self.branches))


def make_branches(classes: int) -> nn.Module:
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 48), nn.ReLU(), nn.Linear(48, classes))
    return Branches(perceptron, nn.Sequential(conv(8), conv(12, 2), nn.Flatten(), nn.LazyLinear(classes)))


def make_pyramid(classes: int) -> nn.Module:
    levels = [nn.Identity(), nn.AvgPool2d(2), nn.AvgPool2d(4)]
    return Branches(
        *(
            nn.Sequential(level, conv(8), nn.Flatten(), nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, classes))
            for level in levels
        )
    )


class ResidualMLP(nn.Module):
    """Blocks that add to what they get; the inputs of those in `detached` pass no gradient."""

    def __init__(self, classes: int, width: int = 48, depth: int = 3) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(PIXELS, width), nn.Linear(width, classes)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for _ in range(depth)
        )
        self.detached: frozenset[int] = frozenset()

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x.flatten(1))
        for k, block in enumerate(self.blocks):
            h = h + block(h.detach() if k in self.detached else h)
        return self.head(h)


class Skips(nn.Module):
    """Two levels of features, both of which the head reads; the way to the second is detached on demand."""

    def __init__(self, classes: int, width: int = 8) -> None:
        super().__init__()
        self.first, self.second, self.head = conv(width), conv(2 * width, 2), nn.LazyLinear(classes)
        self.cut = False

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(first.detach() if self.cut else first)
        return self.head(torch.cat((first.flatten(1), second.flatten(1)), 1))


class Gated(nn.Module):
    """Features times a map between 0 and 1 that another path computes; the map is detached on demand."""

    def __init__(self, classes: int, width: int = 12) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(width))
        self.map = nn.Sequential(conv(8), nn.LazyConv2d(width, 3, padding=1))
        self.head, self.cut = nn.LazyLinear(classes), False

    def forward(self, x: Tensor) -> Tensor:
        gate = (3 * self.map(x)).sigmoid()
        return self.head((self.features(x) * (gate.detach() if self.cut else gate)).flatten(1))


class Attention(nn.Module):
    """Patches of 2x2 pixels that look at each other; the attention is detached on demand."""

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        self.embed, self.places = nn.Conv2d(1, width, 2, 2), nn.Parameter(0.1 * torch.randn(16, width))
        self.pairs, self.values, self.cut = nn.Linear(width, 2 * width), nn.Linear(width, width), False
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(16 * width, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2) + self.places
        queries, keys = self.pairs(tokens).chunk(2, 2)
        weights = (queries @ keys.transpose(1, 2)).softmax(2)
        return self.head(tokens.relu() / 4 + (weights.detach() if self.cut else weights) @ self.values(tokens))


class Equilibrium(nn.Module):
    """A loop z = tanh(W z + U x), which is fed with x in its first steps; the last `tracked` steps pass a gradient."""

    def __init__(self, classes: int, width: int = 48, steps: int = 20, fed: int = 20) -> None:
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(width, width), nn.Linear(PIXELS, width), nn.Linear(width, classes)
        nn.init.orthogonal_(self.inner.weight, 0.95)
        self.steps, self.fed, self.tracked = steps, fed, steps

    def forward(self, x: Tensor) -> Tensor:
        u = self.outer(x.flatten(1))
        z = torch.zeros_like(u)
        for k in range(self.steps):
            z = z.detach() if k == self.steps - self.tracked else z
            z = (self.inner(z) + u).tanh() if k < self.fed else self.inner(z).tanh()
        return self.head(z)


class Recurrent(nn.Module):
    """A recurrent cell that reads row by row, or column by column; only the last `tracked` pass a gradient."""

    def __init__(self, classes: int, width: int = 48, kind: str = "gru", transpose: bool = False) -> None:
        super().__init__()
        self.cell = {"gru": nn.GRUCell, "rnn": nn.RNNCell}[kind](8, width)
        self.head, self.transpose, self.tracked = nn.Linear(width, classes), transpose, 8

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1).view(-1, 8, 8)
        rows = rows.transpose(1, 2) if self.transpose else rows
        h = rows.new_zeros(len(rows), self.cell.hidden_size)
        for k in range(8):
            h = self.cell(rows[:, k], h.detach() if k == 8 - self.tracked else h)
        return self.head(h)


class Contrast(nn.Module):
    """Inputs minus their local mean, by their local deviation, both detached on demand."""

    def __init__(self, classes: int, width: int = 8, window: int = 5) -> None:
        super().__init__()
        self.window, self.cut = window, False
        self.net = nn.Sequential(conv(width), conv(2 * width, 2), nn.Flatten(), nn.LazyLinear(classes))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.average(x)
        deviation = (self.average((x - mean).square()) + 1e-2).sqrt()
        if self.cut:
            mean, deviation = mean.detach(), deviation.detach()
        return self.net((x - mean) / deviation)

    def average(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.window, 1, self.window // 2, count_include_pad=False)


class Sine(nn.Module):
    """A sine of its inputs, as an activation."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sin()


class Experts(nn.Module):
    """A soft mixture of small networks; the experts in `detached` pass no gradient."""

    def __init__(self, classes: int, n: int = 3, width: int = 48) -> None:
        super().__init__()
        self.gate = nn.Linear(PIXELS, n)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, classes)) for _ in range(n)
        )
        self.best_cut = False

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        weights = self.gate(x).softmax(1)
        answers = torch.stack([expert(x) for expert in self.experts], 1)
        if self.best_cut:
            best = F.one_hot(weights.argmax(1), weights.shape[1]).bool()[..., None]
            answers = torch.where(best, answers.detach(), answers)
        return (weights[..., None] * answers).sum(1)


def make_pooled(classes: int, kind: str = "max") -> nn.Module:
    pool = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}[kind]
    return nn.Sequential(conv(16), pool(2), conv(16), nn.Flatten(), nn.LazyLinear(classes))


def make_square(classes: int, width: int = 64) -> nn.Module:
    layers = [nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)]
    return nn.Sequential(nn.Flatten(), *layers)


def make_square_conv(classes: int, width: int = 12) -> nn.Module:
    return nn.Sequential(conv(width), conv(width), conv(width), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(classes))


def make_sine(classes: int, width: int = 64) -> nn.Module:
    layers = [nn.Linear(PIXELS, width), Sine(), nn.Linear(width, width), Sine(), nn.Linear(width, classes)]
    return nn.Sequential(nn.Flatten(), *layers)


def settle(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Make a network of this data's shape: lazy layers learn their sizes from one input."""

    def build(shape: tuple[int, ...], classes: int, **options: object) -> nn.Module:
        if math.prod(shape) != PIXELS:
            raise ValueError(f"these networks are for images of {PIXELS} pixels, got the shape {shape}")
        module = make(classes, **options)
        module(torch.zeros(2, *shape))
        return module

    build.source = inspect.getsource(make)
    return build


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "branches": settle(make_branches),
    "pyramid": settle(make_pyramid),
    "residual-mlp": settle(ResidualMLP),
    "skips": settle(Skips),
    "gated": settle(Gated),
    "attention": settle(Attention),
    "equilibrium": settle(Equilibrium),
    "recurrent": settle(Recurrent),
    "contrast": settle(Contrast),
    "square": settle(make_square),
    "square-conv": settle(make_square_conv),
    "sine": settle(make_sine),
    "pooled": settle(make_pooled),
    "experts": settle(Experts),
}
