"""A small network for Fashion-MNIST, 28x28 grey pixels: an example of a model file."""

from torch import nn


def make() -> nn.Module:
    """Return an untrained network: `--robust-train` trains it."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
