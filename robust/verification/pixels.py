"""Changed pixels counted again, from the text of the threat model and the shape of the inputs.

Nothing here is shared with the attacks. The last two axes of an input are the image, those before them the channels of
its pixels; of a vector each value is a pixel.
"""

import re

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags

WORD = re.compile(r"l0:([0-9]{1,9})")


def read_pixels(threat: str) -> int | None:
    """Return how many pixels a threat model lets change, the most of its parts; None if it lets none."""
    counts = [int(match[1]) for part in threat.split("+") if (match := WORD.fullmatch(part))]
    return max(counts) if counts else None


def count_pixels(x_adv: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return in how many pixels the inputs differ, (n,), for (n, *features); NaN differs from everything."""
    differs = np.not_equal(x_adv, x)
    inner = tuple(range(1, differs.ndim - 2))  # the axes of the channels
    pixels = differs.any(axis=inner) if inner else differs
    counts: NDArray[np.int64] = pixels.reshape(len(x), -1).sum(1)
    return counts


def check_pixels(count: int, x_adv: NDArray[np.float32], x: NDArray[np.float32]) -> Flags:
    """Return (n,): whether at most so many pixels differ."""
    few: Flags = count_pixels(x_adv, x) <= count
    return few


def move_pixels(
    count: int, bounds: tuple[float, float], x: NDArray[np.float32], signs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return inputs near x, (n, *features): the first pixels of each that may change, at the bound of their signs."""
    size = int(np.prod(x.shape[-2:])) if x.ndim > 2 else x.shape[-1]
    spread = np.arange(size) % max(size // min(count, size), 1) == 0
    some = spread & (np.cumsum(spread) <= count)
    some = some.reshape(x.shape[-2:]) if x.ndim > 2 else some
    moved: NDArray[np.float32] = np.where(some, np.where(signs > 0, np.float32(bounds[1]), np.float32(bounds[0])), x)
    return moved
