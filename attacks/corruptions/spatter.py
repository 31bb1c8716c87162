"""Spatter: drops of water, or mud. The steps are those of the original, which are OpenCV's, in numpy and scipy.

Its distances are exact where OpenCV's are rounded to steps of a knight and a king: some drops differ by a shade.
"""

import numpy as np
from numpy.random import RandomState
from scipy import ndimage

from robust.attacks.corruptions.picture import Bytes, Flags, Floats, Picture

WATER = np.array([175, 238, 238]) / 255.0
MUD = np.array([63, 42, 20]) / 255.0
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
LOW, HIGH, FAR = 50, 150, 20  # the thresholds of edges; the largest distance from one
DIAGONAL = np.tan(np.pi / 8)  # a slope below this is level
EIGHT = np.ones((3, 3))


def spatter(picture: Picture, c: tuple[float, float, float, float, float, int], rng: RandomState) -> Floats:
    """Spatter water on the picture, or mud. On a grey picture it is always mud, as in MNIST-C."""
    mean, deviation, sigma, threshold, weight, is_mud = c
    x = picture.x
    liquid = ndimage.gaussian_filter(rng.normal(size=picture.size, loc=mean, scale=deviation), sigma, mode="nearest")
    liquid[liquid < threshold] = 0
    if is_mud or picture.is_grey:
        cover = ndimage.gaussian_filter((liquid > threshold).astype(float), weight, mode="nearest")[..., None]
        cover[cover < 0.8] = 0
        covered: Floats = x * (1 - cover) + cover * (MUD[:1] if picture.is_grey else MUD)
        return covered
    return x + weight * draw_drops((liquid * 255).astype(np.uint8))[..., None] * WATER


def draw_drops(liquid: Bytes) -> Floats:
    """Return how bright drops shine, (height, width) from 0 to 1, for the depth of the liquid."""
    edges = find_edges(liquid)
    distance = ndimage.distance_transform_edt(~edges) if edges.any() else np.full(liquid.shape, float(FAR))
    spread = equalize(_blur(np.minimum(distance, FAR)).astype(np.uint8))
    relief = np.clip(ndimage.correlate(spread.astype(int), RELIEF, mode="mirror"), 0, 255)
    shine: Floats = liquid.astype(float) * np.rint(_blur(relief.astype(float)))
    return shine / max(float(shine.max()), 1.0)


def _blur(x: Floats) -> Floats:
    """Return the mean of each value and its eight neighbours."""
    blurred: Floats = ndimage.uniform_filter(x, 3, mode="mirror")
    return blurred


def equalize(levels: Bytes) -> Bytes:
    """Spread the levels, (height, width), so that each share of 0 to 255 has as many pixels; the lowest becomes 0."""
    counts = np.bincount(levels.ravel(), minlength=256)
    lowest = int(np.flatnonzero(counts)[0])
    above = levels.size - counts[lowest]
    if not above:
        return levels
    counts[lowest] = 0
    share = np.float32(255) / np.float32(above)  # in float32, as OpenCV
    table: Bytes = np.rint(np.cumsum(counts).astype(np.float32) * share).astype(np.uint8)
    return table[levels]


def find_edges(levels: Bytes) -> Flags:
    """Mark the edges of a picture, (height, width) bool, as Canny does, with slopes by Sobel's kernels."""
    values = levels.astype(float)
    right, down = (ndimage.sobel(values, axis=axis, mode="nearest") for axis in (1, 0))
    steep = np.abs(right) + np.abs(down)
    around = np.pad(steep, 1)
    height, width = steep.shape

    def look(dy: int, dx: int) -> Floats:
        """Return the steepness of each pixel's neighbour there."""
        return around[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    level, upright = np.abs(down) < DIAGONAL * np.abs(right), np.abs(down) > np.abs(right) / DIAGONAL
    falling = right * down >= 0
    ridge = np.where(
        level,
        (steep > look(0, -1)) & (steep >= look(0, 1)),
        np.where(
            upright,
            (steep > look(-1, 0)) & (steep >= look(1, 0)),
            np.where(
                falling,
                (steep > look(-1, -1)) & (steep > look(1, 1)),
                (steep > look(-1, 1)) & (steep > look(1, -1)),
            ),
        ),
    )
    weak = ridge & (steep > LOW)
    regions, _ = ndimage.label(weak, EIGHT)
    strong = np.unique(regions[weak & (steep > HIGH)])
    return np.isin(regions, strong[strong > 0])
