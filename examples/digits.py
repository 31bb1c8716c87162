"""A small network for the digits data, 8x8 grey pixels: an example of a model file."""

from torch import nn


def make() -> nn.Module:
    """Return an untrained network: `--robust-train` trains it."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
