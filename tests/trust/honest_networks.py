"""Honest networks of many kinds, for digits: what people build, and what a check must not take for a fault."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

PIXELS = 64
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky": lambda: nn.LeakyReLU(0.1),
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
    "prelu": nn.PReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "square": lambda: Polynomial(),
}
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "group": lambda width: nn.GroupNorm(4, width),
    "layer": lambda width: nn.GroupNorm(1, width),
    "instance": lambda width: nn.InstanceNorm2d(width, affine=True),
}
POOLS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "max": lambda: nn.MaxPool2d(2),
    "average": lambda: nn.AvgPool2d(2),
    "lp": lambda: nn.LPPool2d(2.0, 2),
}


class Polynomial(nn.Module):
    """x + x^2 / 4, with a limit on x."""

    def forward(self, x: Tensor) -> Tensor:
        x = 4 * (x / 4).tanh()
        return x + x.square() / 4


class Changed(nn.Module):
    """Inputs normalised before a network; and, once it is trained, logits multiplied."""

    def __init__(self, net: nn.Module, mean: float = 0.0, deviation: float = 1.0, scale: float = 1.0) -> None:
        super().__init__()
        self.net, self.mean, self.deviation, self.scale = net, mean, deviation, scale

    def forward(self, x: Tensor) -> Tensor:
        logits = self.net((x - self.mean) / self.deviation)
        return logits if self.training else self.scale * logits


class Half(nn.Module):
    """A network that computes in bfloat16, with a full copy of its weights."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.net(x).float()


class Quantised(nn.Module):
    """Values on a grid of `bits`, with a straight-through gradient, as in quantisation-aware training."""

    def __init__(self, bits: int, signed: bool = True) -> None:
        super().__init__()
        self.levels, self.signed = 2 ** (bits - signed) - 1, signed

    def forward(self, x: Tensor) -> Tensor:
        step = x.detach().abs().amax().clamp(min=1e-8) / self.levels if self.signed else 6.0 / self.levels
        inside = x if self.signed else x.clamp(0, 6)
        return inside + ((inside / step).round() * step - inside).detach()


def quantise(net: nn.Module, bits: int) -> nn.Module:
    """Quantise the weights of linear and convolutional layers, and what the activations give."""
    for module in [*net.modules()]:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.utils.parametrize.register_parametrization(module, "weight", Quantised(bits))
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Sequential(child, Quantised(bits, signed=False)))
    return net


def make_perceptron(
    classes: int, width: int = 64, depth: int = 2, act: str = "relu", drop: float = 0.0, spectral: bool = False
) -> nn.Module:
    sizes = [PIXELS, *[width] * depth]
    layers: list[nn.Module] = [nn.Flatten()]
    for k in range(depth):
        linear = nn.Linear(sizes[k], sizes[k + 1])
        layers += [spectral_norm(linear) if spectral else linear, ACTIVATIONS[act]()]
        layers += [nn.Dropout(drop)] if drop else []
    return nn.Sequential(*layers, nn.Linear(width, classes))


def make_conv_net(
    classes: int, width: int = 8, act: str = "relu", norm: str = "none", pool: str = "none", weights: str = ""
) -> nn.Module:
    wrap = {"": lambda layer: layer, "normed": weight_norm, "spectral": spectral_norm}[weights]
    stride = 2 if pool == "none" else 1
    return nn.Sequential(
        wrap(nn.Conv2d(1, width, 3, padding=1)),
        NORMS[norm](width),
        ACTIVATIONS[act](),
        wrap(nn.Conv2d(width, 2 * width, 3, stride, padding=1)),
        NORMS[norm](2 * width),
        ACTIVATIONS[act](),
        POOLS[pool](),
        nn.Flatten(),
        nn.Linear(2 * width * 16, classes),
    )


class Residual(nn.Module):
    """Blocks that add to what they get, each left out at random in training (stochastic depth)."""

    def __init__(self, classes: int, width: int = 12, depth: int = 3, keep: float = 0.8, squeeze: bool = False) -> None:
        super().__init__()
        self.stem, self.keep = nn.Conv2d(1, width, 3, 2, padding=1), keep
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(4, width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(depth)
        )
        gates = (nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, width), nn.Sigmoid()) for _ in range(depth))
        self.gates = nn.ModuleList(gates) if squeeze else None
        self.head = nn.Linear(16 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for k, block in enumerate(self.blocks):
            more = block(h)
            if self.gates is not None:
                more = more * self.gates[k](more.mean((2, 3)))[:, :, None, None]
            if self.training:
                more = more * (torch.rand(len(h), 1, 1, 1) < self.keep) / self.keep
            h = h + more
        return self.head(h.relu().flatten(1))


class Prototypes(nn.Module):
    """Minus the distances of features to a learnt prototype a class, or a Gaussian of them, as logits."""

    def __init__(self, classes: int, width: int = 32, kind: str = "square", scale: float = 1.0) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 64), nn.ReLU(), nn.Linear(64, width))
        self.prototypes, self.kind, self.scale = nn.Parameter(torch.randn(classes, width)), kind, scale

    def forward(self, x: Tensor) -> Tensor:
        squares = (self.features(x)[:, None] - self.prototypes).square()
        if self.kind == "gaussian":
            return 10 * (-squares.mean(2)).exp()
        return -self.scale * (squares.sum(2) if self.kind == "square" else (squares.sum(2) + 1e-6).sqrt())


class SoftNeighbours(nn.Module):
    """The shares of the classes among stored examples, by a kernel on learnt features (soft nearest neighbours)."""

    def __init__(self, classes: int, n: int = 60, width: int = 24) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 48), nn.ReLU(), nn.Linear(48, width))
        self.examples = nn.Parameter(torch.rand(n, 1, 8, 8))
        self.register_buffer("labels", F.one_hot(torch.arange(n) % classes, classes).float())

    def forward(self, x: Tensor) -> Tensor:
        near = -(self.features(x)[:, None] - self.features(self.examples)).square().sum(2)
        return (near.softmax(1) @ self.labels + 1e-4).log()


class Maxout(nn.Module):
    """The largest of several linear functions, as a hidden layer."""

    def __init__(self, classes: int, width: int = 32, pieces: int = 4) -> None:
        super().__init__()
        self.pieces, self.hidden, self.head = pieces, nn.Linear(PIXELS, width * pieces), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(x.flatten(1)).unflatten(1, (-1, self.pieces)).amax(2))


class Heads(nn.Module):
    """Two heads on shared features, whose logits, or whose probabilities, are averaged."""

    def __init__(self, classes: int, width: int = 64, log: bool = False) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, width), nn.ReLU())
        self.one, self.log = nn.Linear(width, classes), log
        self.two = nn.Sequential(nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, classes))

    def forward(self, x: Tensor) -> Tensor:
        h = self.features(x)
        one, two = self.one(h), self.two(h)
        return torch.logaddexp(one.log_softmax(1), two.log_softmax(1)) - math.log(2) if self.log else (one + two) / 2


class Recurrent(nn.Module):
    """A recurrent network over rows, both ways if asked."""

    def __init__(self, classes: int, width: int = 32, kind: str = "gru", both: bool = False) -> None:
        super().__init__()
        make = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[kind]
        self.cells = make(8, width, batch_first=True, bidirectional=both)
        self.head = nn.Linear(width * (1 + both), classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x.flatten(1).unflatten(1, (8, 8)))[0].mean(1))


def wrap(
    classes: int, net: str = "perceptron", bits: int = 0, *, half: bool = False, change: str = "", **options: object
) -> nn.Module:
    """Build a network, and quantise it, let it compute in bfloat16, or change what goes in and out: "scale=100"."""
    module = {"perceptron": make_perceptron, "conv": make_conv_net}[net](classes, **options)
    module = quantise(module, bits) if bits else module
    parts = dict(part.split("=") for part in change.split(",") if part)
    return Half(module) if half else Changed(module, **{key: float(value) for key, value in parts.items()})


HONEST: dict[str, Callable[..., nn.Module]] = {
    "perceptron": make_perceptron,
    "conv": make_conv_net,
    "residual": Residual,
    "prototypes": Prototypes,
    "soft-neighbours": SoftNeighbours,
    "maxout": Maxout,
    "heads": Heads,
    "rows": Recurrent,
    "wrapped": wrap,
}
