"""Weather: snow, frost and fog."""

from typing import Any

import numpy as np
from numpy.random import RandomState
from scipy import ndimage

from robust.attacks.corruptions.kinds import IMAGENET, MNIST
from robust.attacks.corruptions.picture import Floats, Picture, drag, to_grey, zoom_in

ICE = np.array([0.75, 0.88, 1.0])  # the colour of our frost


def snow(picture: Picture, c: tuple[float, float, float, float, int, float, float], rng: RandomState) -> Floats:
    """Whiten the picture, and let flakes fall across it from two sides."""
    mean, deviation, zoom, threshold, radius, sigma, share = c
    flakes = zoom_in(rng.normal(size=picture.size, loc=mean, scale=deviation)[..., None], zoom)
    flakes[flakes < threshold] = 0
    levels = (np.clip(flakes, 0, 1) * 255).astype(np.uint8)
    layer = drag(levels, radius, sigma, rng.uniform(-135, -45)) / 255.0
    x = picture.x
    white = share * x + (1 - share) * np.maximum(x, to_grey(x) * 1.5 + 0.5)
    return white + layer + layer[::-1, ::-1]


def frost(picture: Picture, c: tuple[float, float], rng: RandomState) -> Floats:
    """Lay ice over the picture. The original cuts it from photographs; ours is drawn: ridges of noise at all scales."""
    layer = draw_ice(picture.size, rng)
    ice = layer[..., None] if picture.is_grey else layer[..., None] * ICE
    return c[0] * picture.x + c[1] * ice


def draw_ice(size: tuple[int, int], rng: RandomState) -> Floats:
    """Return ice, (height, width) from 0 to 1: the sum of ridges, fine ones with the smaller weight."""
    total, cells, weight = np.zeros(size), 2, 1.0
    while cells <= max(size) // 2:
        grid = rng.uniform(size=(cells + 1, cells + 1))
        at = np.meshgrid(*(np.linspace(0, cells, side) for side in size), indexing="ij")
        total += weight * (1 - np.abs(2 * ndimage.map_coordinates(grid, at, order=1) - 1))
        cells, weight = cells * 2, weight * 0.7
    total -= total.min()
    ice: Floats = total / total.max()
    return ice


def fog(picture: Picture, c: tuple[float, float], rng: RandomState) -> Floats:
    """Add fog, and darken all so that the brightest value stays."""
    x, (height, width) = picture.x, picture.size
    # ImageNet-C and MNIST-C cut it from a map of 256 pixels: at 28 it is nearly even
    side = max(256 if picture.scheme in (IMAGENET, MNIST) else 1, 1 << (max(height, width) - 1).bit_length())
    layer = draw_plasma(side, c[1], rng)[:height, :width, None]
    brightest = x.max()
    hazy: Floats = (x + c[0] * layer) * brightest / (brightest + c[0])
    return hazy


def draw_plasma(side: int, fade: float, rng: RandomState) -> Floats:
    """Return a map, (side, side) from 0 to 1, by the diamond-square algorithm; `side` is a power of two.

    The noise of each step is `fade` times as weak as that of the step before.
    """
    plasma = np.zeros((side, side))
    step, noise = side, 100.0

    def blend(total: Floats) -> Floats:
        """Return the mean of four neighbours, whose sum this is, and noise."""
        return total / 4 + noise * rng.uniform(-noise, noise, total.shape)

    while step >= 2:
        half = step // 2
        corners = plasma[::step, ::step]
        rows = corners + np.roll(corners, -1, axis=0)
        plasma[half::step, half::step] = blend(rows + np.roll(rows, -1, axis=1))
        middles, corners = plasma[half::step, half::step], plasma[::step, ::step]
        beside = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        plasma[::step, half::step] = blend(beside)
        above = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        plasma[half::step, ::step] = blend(above)
        step, noise = half, noise / fade
    plasma -= plasma.min()
    scaled: Floats = plasma / plasma.max()
    return scaled


WEATHERS: dict[str, Any] = {"snow": snow, "frost": frost, "fog": fog}
