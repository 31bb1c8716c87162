"""Every patch of tiny pictures: in closed form for a linear model, and on a grid of values for any other."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def windows(shape: tuple[int, int], size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield every window of a picture."""
    for top in range(shape[0] - size[0] + 1):
        for left in range(shape[1] - size[1] + 1):
            yield slice(top, top + size[0]), slice(left, left + size[1])


def highest(weight: Array, bias: float, x: Array, size: tuple[int, int]) -> float:
    """Return the most that <weight, z> + bias is over z in [0, 1] that differ from x, (c, h, w), in one window."""
    gain = np.maximum(weight * (1 - x), -weight * x)
    most = max(float(gain[:, rows, columns].sum()) for rows, columns in windows(x.shape[1:], size))
    return float((weight * x).sum()) + bias + most


def on_grid(
    model: Callable[[Array], Array], x: Array, y: int, size: tuple[int, int], values: tuple[float, ...]
) -> bool:
    """Whether the model answers wrong for one of all patches on x, (1, h, w), with these values alone."""
    found = []
    for rows, columns in windows(x.shape[1:], size):
        for content in product(values, repeat=size[0] * size[1]):
            z = x.copy()
            z[0, rows, columns] = np.reshape(content, size)
            found.append(z)
    return bool((model(np.stack(found)).argmax(1) != y).any())
