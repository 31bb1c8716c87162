"""Patches measured again: the bounding box of what changed, with numpy, from the text of the threat model.

Nothing here is shared with the attacks. A size is pixels, per cent of a side, or one per cent of the area.
"""

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags

WORD = re.compile(r"patch:(?:(\d+(?:\.\d+)?%?)x(\d+(?:\.\d+)?%?)|(\d+(?:\.\d+)?)%)")


def is_patch(part: str) -> bool:
    """Whether a part of a threat model is a patch, "patch:5x5"."""
    return part.startswith("patch:")


def read_patch(word: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns) that a patch may have on inputs of this shape, (*channels, rows, columns).

    ValueError for what is no patch, or no shape of an image.
    """
    match = WORD.fullmatch(word)
    if match is None or len(shape) < 2:
        raise ValueError(f"no patch for inputs of shape {[*shape]}: {word!r}")
    rows, columns = shape[-2:]
    if match[3] is None:
        return _measure_side(match[1], rows), _measure_side(match[2], columns)
    side = max(1, math.isqrt(math.floor(Fraction(match[3]) * rows * columns / 100)))
    return side, side


def check_patch(word: str, x_adv: NDArray[Any], x: NDArray[Any]) -> Flags:
    """Mark the inputs, (n, *channels, rows, columns), whose changes lie in a box no larger than the patch, (n,)."""
    height, width = read_patch(word, x.shape[1:])
    boxes = [_bound(change) for change in (x_adv != x).reshape(len(x), -1, *x.shape[-2:]).any(1)]
    return np.array([tall <= height and wide <= width for tall, wide in boxes], bool)


def move_patch(
    word: str, x: NDArray[np.float32], signs: NDArray[np.float32], bounds: tuple[float, float]
) -> NDArray[np.float32]:
    """Return inputs, (n, *shape), of which a window in the middle is at the bounds, by the signs."""
    moved = x.copy()
    height, width = read_patch(word, x.shape[1:])
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    window = (..., slice(top, top + height), slice(left, left + width))
    lo, hi = map(np.float32, bounds)
    moved[window] = np.where(signs < 0, lo, hi)[window]
    return moved


def _measure_side(text: str, length: int) -> int:
    if text.endswith("%"):
        return max(1, math.floor(Fraction(text[:-1]) * length / 100))
    return int(text)


def _bound(change: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the rows and columns from the first to the last change, (rows, columns) bool."""
    rows, columns = np.nonzero(change)
    return (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1) if len(rows) else (0, 0)
