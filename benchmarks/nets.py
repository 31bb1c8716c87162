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
