"""The least margin of a tiny ReLU network over an linf ball within the inputs' bounds, and its nearest adversary."""

import math

import numpy as np

from tests.oracles.regions import Array, Layers, minimise, regions


def least_margin(layers: Layers, x: Array, y: int, eps: float, lo: float = 0.0, hi: float = 1.0) -> float:
    """Return the least of logit y less another logit over the z with |z - x| <= eps and lo <= z <= hi, exactly."""
    box = np.clip(x - eps, lo, hi), np.clip(x + eps, lo, hi)
    least = math.inf
    for region in regions(layers, *box):
        for other in _others(region.bias, y):
            found = minimise(region.weight[y] - region.weight[other], region.a, region.b, box)
            if found is not None:  # a region that is a face may be empty to within rounding
                least = min(least, found + region.bias[y] - region.bias[other])
    return least


def adversarial_distance(layers: Layers, x: Array, y: int, lo: float = 0.0, hi: float = 1.0) -> float:
    """Return the smallest linf distance from x to an input within [lo, hi] where another logit is at least logit y.

    It is 0 where x is so itself, and inf where no input is.
    """
    size = len(x)
    box = np.full(size, lo), np.full(size, hi)
    nearest = math.inf
    wide = np.append(box[0], 0.0), np.append(box[1], hi - lo)
    ones, towards = np.ones((size, 1)), np.append(np.zeros(size), 1.0)
    for region in regions(layers, *box):
        for other in _others(region.bias, y):
            a = np.vstack([np.pad(region.a, ((0, 0), (0, 1))), np.hstack([np.eye(size), -ones])])
            a = np.vstack([a, np.hstack([-np.eye(size), -ones]), np.append(region.weight[y] - region.weight[other], 0)])
            b = np.concatenate([region.b, x, -x, [region.bias[other] - region.bias[y]]])
            found = minimise(towards, a, b, wide)
            nearest = nearest if found is None else min(nearest, found)
    return nearest


def _others(logits: Array, y: int) -> list[int]:
    return [other for other in range(len(logits)) if other != y]
