"""mlp: a perceptron with hidden layers, for inputs of any shape."""

import math

from torch import nn

from robust.models.registry import ARCHITECTURES, check_whole


@ARCHITECTURES.register("mlp")
def mlp(shape: tuple[int, ...], classes: int, width: int = 256, depth: int = 2) -> nn.Sequential:
    """Return `depth` hidden layers of `width` units on the flattened input, and a linear head."""
    check_whole(width=width, depth=depth)
    sizes = [math.prod(shape), *[width] * depth]
    layers = [layer for i in range(depth) for layer in (nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, classes))
