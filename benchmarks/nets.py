"""Small networks of kinds that the zoo lacks: with max-pooling, saturating activations, skips that can be left out."""

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def strided(
    channels: int = 1,
    height: int = 28,
    width: int = 28,
    classes: int = 10,
    filters: int = 8,
    hidden: int = 32,
    act: str = "relu",
) -> nn.Sequential:
    """Return two convolutions that halve the image, and two linear layers."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, filters), (filters, 2 * filters)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), ACTIVATIONS[act]()]
    features = 2 * filters * (height // 4) * (width // 4)
    head = [nn.Flatten(), nn.Linear(features, hidden), ACTIVATIONS[act](), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers, *head)


def pooled(
    channels: int = 1, height: int = 28, width: int = 28, classes: int = 10, filters: int = 8, hidden: int = 32
) -> nn.Sequential:
    """Return two convolutions, each before a max-pooling, and two linear layers."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, filters), (filters, 2 * filters)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    features = 2 * filters * (height // 4) * (width // 4)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes))


def dense(inputs: int = 64, classes: int = 10, width: int = 96, act: str = "sigmoid") -> nn.Sequential:
    """Return two hidden layers on the flattened input."""
    make = ACTIVATIONS[act]
    hidden = [nn.Linear(inputs, width), make(), nn.Linear(width, width), make()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, classes))


class Residual(nn.Module):
    """Two convolutions beside a skip connection, which may be left out, as may be the batch norms."""

    def __init__(self, filters: int, skip: bool, norm: bool, drop: float) -> None:
        super().__init__()
        self.skip = skip
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.BatchNorm2d(filters)] * norm + [nn.ReLU(), nn.Conv2d(filters, filters, 3, padding=1)]
        self.body = nn.Sequential(*layers, nn.Dropout(drop))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the input and the convolutions' output, or the output alone."""
        out: Tensor = self.body(x)
        return x + out if self.skip else out


def residual(
    channels: int = 1,
    classes: int = 10,
    filters: int = 12,
    blocks: int = 6,
    skip: bool = True,
    norm: bool = True,
    drop: float = 0.0,
) -> nn.Sequential:
    """Return a convolution that takes a quarter of the pixels, blocks of two convolutions each, and a linear layer."""
    first = nn.Conv2d(channels, filters, 4, stride=2, padding=1)
    body = [Residual(filters, skip, norm, drop) for _ in range(blocks)]
    last = [nn.BatchNorm2d(filters)] * norm + [nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
    return nn.Sequential(first, *body, *last, nn.LazyLinear(classes))


class Grouped(nn.Module):
    """Two convolutions with group norms beside a skip connection."""

    def __init__(self, filters: int, groups: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.GroupNorm(groups, filters), nn.SiLU(), nn.Conv2d(filters, filters, 3, padding=1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the input and the convolutions' output."""
        out: Tensor = x + self.body(x)
        return out


def grouped(filters: int = 8, groups: int = 4, blocks: int = 2, classes: int = 10) -> nn.Sequential:
    """Return a residual network with group norms for images of one channel, 28 pixels wide and high."""
    first = nn.Conv2d(1, filters, 4, stride=2, padding=1)
    body = [Grouped(filters, groups) for _ in range(blocks)]
    last = [nn.GroupNorm(groups, filters), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten()]
    return nn.Sequential(first, *body, *last, nn.Linear(filters * 7 * 7, classes))


def depthwise(filters: int = 12, classes: int = 10) -> nn.Sequential:
    """Return convolutions within channels and across them in turn, for images of one channel, 28 pixels wide."""
    layers: list[nn.Module] = [nn.Conv2d(1, filters, 4, stride=2, padding=1), nn.ReLU6()]
    for inputs, outputs, stride in ((filters, 2 * filters, 2), (2 * filters, 2 * filters, 1)):
        layers += [nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs), nn.ReLU6()]
        layers += [nn.Conv2d(inputs, outputs, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2 * filters * 7 * 7, classes))


class Mixed(nn.Module):
    """Two perceptrons beside skip connections: one over the patches, one over the features (2105.01601)."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.across = nn.Sequential(nn.Linear(patches, 2 * patches), nn.GELU(), nn.Linear(2 * patches, patches))
        self.within = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the patches mixed, (n, patches, width)."""
        x = x + self.across(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = x + self.within(self.norms[1](x))
        return mixed


def mixer(side: int = 8, patch: int = 2, width: int = 24, blocks: int = 2, classes: int = 10) -> nn.Sequential:
    """Return an MLP-mixer for images of one channel, `side` pixels wide and high."""
    patches = (side // patch) ** 2
    first = [nn.Conv2d(1, width, patch, stride=patch), nn.Flatten(2), Turned()]
    body = [Mixed(patches, width) for _ in range(blocks)]
    return nn.Sequential(*first, *body, nn.LayerNorm(width), nn.Flatten(), nn.Linear(patches * width, classes))


class Turned(nn.Module):
    """The last two axes exchanged."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (n, a, b), as (n, b, a)."""
        return x.transpose(1, 2)
