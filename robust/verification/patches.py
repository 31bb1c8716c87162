"""Patches measured again: the bounding box of what changed, with numpy, from the text of the threat model.

Nothing here is shared with the attacks. A size is pixels, per cent of a side, or one per cent of the area.
"""

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.data.lazy_inputs import LazyInputs
from robust.flags import Flags

UNIVERSAL = ":universal=true"
Inputs = NDArray[Any] | LazyInputs
WORD = re.compile(r"patch:(?:(\d+(?:\.\d+)?%?)x(\d+(?:\.\d+)?%?)|(\d+(?:\.\d+)?)%)")


def is_patch(part: str) -> bool:
    """Whether a part of a threat model is a patch, "patch:5x5"."""
    return part.startswith("patch:")


def read_patch(word: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns) that a patch may have on inputs of this shape, (*channels, rows, columns).

    ValueError for what is no patch, or no shape of an image.
    """
    match = WORD.fullmatch(word.removesuffix(UNIVERSAL))
    if match is None or len(shape) < 2:
        raise ValueError(f"no patch for inputs of shape {[*shape]}: {word!r}")
    rows, columns = shape[-2:]
    if match[3] is None:
        return _measure_side(match[1], rows), _measure_side(match[2], columns)
    side = max(1, math.isqrt(math.floor(Fraction(match[3]) * rows * columns / 100)))
    return side, side


def check_patch(word: str, x_adv: Inputs, x: Inputs) -> Flags:
    """Mark the inputs, (n, *channels, rows, columns), whose changes lie in a box no larger than the patch, (n,).

    Of a universal patch those that show one and the same patch at one place.
    """
    height, width = read_patch(word, x.shape[1:])
    boxes = np.array([_find_box(x_adv[k] != x[k]) for k in range(len(x))], np.int64).reshape(-1, 4)
    small: Flags = (boxes[:, 1] - boxes[:, 0] < height) & (boxes[:, 3] - boxes[:, 2] < width)
    return _mark_same(x_adv, boxes, _hold_most(boxes, x.shape, (height, width))) if word.endswith(UNIVERSAL) else small


def _hold_most(boxes: NDArray[np.int64], shape: tuple[int, ...], size: tuple[int, int]) -> NDArray[np.int64]:
    """Return which of the boxes, (n, 4), lie in the window that holds the most of them."""
    tops, lefts = (np.arange(of - side + 1)[:, None] for of, side in zip(shape[-2:], size, strict=True))
    tall = (boxes[:, 0] >= tops) & (boxes[:, 1] < tops + size[0])
    wide = (boxes[:, 2] >= lefts) & (boxes[:, 3] < lefts + size[1])
    held = tall.astype(np.float64) @ wide.T.astype(np.float64)
    top, left = np.unravel_index(int(held.argmax()), held.shape)
    return np.flatnonzero(tall[top] & wide[left])


def _mark_same(x_adv: Inputs, boxes: NDArray[np.int64], inside: NDArray[np.int64]) -> Flags:
    """Mark those of the inputs `inside` a window that all show its most common content, (n,)."""
    same = np.zeros(len(x_adv), bool)
    if len(inside):
        rows = slice(int(boxes[inside, 0].min()), int(boxes[inside, 1].max()) + 1)
        columns = slice(int(boxes[inside, 2].min()), int(boxes[inside, 3].max()) + 1)
        shown = np.array([x_adv[k][..., rows, columns].tobytes().hex() for k in inside])
        kinds, counts = np.unique(shown, return_counts=True)
        same[inside] = shown == kinds[counts.argmax()]
    return same


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


def _find_box(change: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the first and the last row, and the first and the last column, of the changes, (*channels, rows, columns).

    Of no change at all they are (0, -1, 0, -1).
    """
    *_, rows, columns = np.nonzero(change)
    if not len(rows):
        return 0, -1, 0, -1
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())
