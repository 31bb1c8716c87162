"""The linear regions of a tiny ReLU network over a box, each with its affine function: by enumeration, with LPs.

A network of n hidden units has up to 2**n regions: a dozen units take about a second.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Array = NDArray[np.float64]
Layers = list[tuple[Array, Array]]


@dataclass(frozen=True)
class Region:
    """Where the inputs z of a box have a x <= b, the network is weight z + bias."""

    a: Array
    b: Array
    weight: Array
    bias: Array


def layers_of(module) -> Layers:
    """Return the layers of an nn.Sequential of linear layers, with or without a Flatten, and ReLU between them."""
    return [
        (each.weight.detach().double().numpy(), each.bias.detach().double().numpy())
        for each in module
        if hasattr(each, "weight")
    ]


def answer(layers: Layers, z: Array) -> Array:
    """Return the logits at z, (features,)."""
    for weight, bias in layers[:-1]:
        z = np.maximum(weight @ z + bias, 0)
    weight, bias = layers[-1]
    return weight @ z + bias


def regions(layers: Layers, lo: Array, hi: Array) -> Iterator[Region]:
    """Yield the regions of the box [lo, hi] that hold a point; each point of it is in one or more of them."""
    size = len(lo)
    yield from _split(layers, (lo, hi), Region(np.zeros((0, size)), np.zeros(0), np.eye(size), np.zeros(size)))


def _split(layers: Layers, box: tuple[Array, Array], so_far: Region) -> Iterator[Region]:
    """Yield the regions within one, whose affine function is the input of the layers that are left."""
    (weight, bias), *rest = layers
    weight, bias = weight @ so_far.weight, weight @ so_far.bias + bias
    if not rest:
        yield Region(so_far.a, so_far.b, weight, bias)
        return
    for active in _patterns(weight, bias, box, so_far):
        signs = np.where(active, -1.0, 1.0)[:, None]
        a, b = np.vstack([so_far.a, signs * weight]), np.concatenate([so_far.b, -signs[:, 0] * bias])
        yield from _split(rest, box, Region(a, b, weight * active[:, None], bias * active))


def _patterns(weight: Array, bias: Array, box: tuple[Array, Array], within: Region) -> Iterator[Array]:
    """Yield which units are active, (units,) bool, for each pattern that a point of the region has."""
    known: list[list[bool]] = [[]]
    for unit in range(len(bias)):
        longer = []
        for pattern in known:
            for active in (False, True):
                signs = np.where([*pattern, active], -1.0, 1.0)
                a = np.vstack([within.a, signs[:, None] * weight[: unit + 1]])
                b = np.concatenate([within.b, -signs * bias[: unit + 1]])
                if minimise(np.zeros(len(box[0])), a, b, box) is not None:
                    longer.append([*pattern, active])
        known = longer
    yield from map(np.array, known)


def minimise(c: Array, a: Array, b: Array, box: tuple[Array, Array]) -> float | None:
    """Return the least c z over z in the box with a z <= b; None if there is no such z."""
    found = linprog(c, a if len(a) else None, b if len(a) else None, bounds=np.stack(box, 1), method="highs")
    if found.status == 2:
        return None
    assert found.status == 0, found.message
    return float(found.fun)
