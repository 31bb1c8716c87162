"""Small networks of kinds that the zoo lacks: with max-pooling, and with activations that saturate."""

from torch import nn

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
