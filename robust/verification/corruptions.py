"""Corrupted pictures checked again: the same transform of the clean picture, whose digest must be that of the input.

The transform itself is the one that the attack used, since what it does is what the word means; all around it is read
and calculated anew. In a fresh process, to which nothing of the run's has come but the pictures, it is made once more.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.attacks.corruptions.corrupt import corrupt
from robust.attacks.corruptions.kinds import GROUPS
from robust.flags import Flags

PREFIX = "corruption:"


class Corruption(NamedTuple):
    """A word of a threat model, "corruption:3:fog:seed=1"."""

    severity: int
    kinds: tuple[str, ...]
    seed: int


def is_corruption(part: str) -> bool:
    """Whether a part of a threat model, no union, is of corruptions."""
    return part.startswith(PREFIX)


def read_corruption(text: str) -> Corruption:
    """Read the canonical word of a threat model."""
    severity, *options = text.removeprefix(PREFIX).split(":")
    which = next((option for option in options if "=" not in option), "usual")
    seed = next((int(option.partition("=")[2]) for option in options if "=" in option), 0)
    return Corruption(int(severity), GROUPS.get(which, (which,)), seed)


def check_corrupted(
    text: str, bounds: tuple[float, float], x_adv: NDArray[np.float32], x: NDArray[np.float32]
) -> Flags:
    """Mark the inputs x_adv, (n, channels, height, width), that are a corruption of x that the word admits, (n,)."""
    word = read_corruption(text)
    return np.array([_is_one_of(word, bounds, *pair) for pair in zip(x_adv, x, strict=True)], bool)


def show_corrupted(text: str, bounds: tuple[float, float], x: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """Return pictures x, (n, channels, height, width) or (n, height, width), corrupted in one way."""
    word = read_corruption(text)
    return np.array([_corrupt(word, bounds, picture, kind) for picture in x], np.float32).reshape(x.shape)


def _is_one_of(word: Corruption, bounds: tuple[float, float], x_adv: NDArray[Any], x: NDArray[Any]) -> bool:
    sought = _digest(x_adv)
    return any(_digest(_corrupt(word, bounds, x, kind)) == sought for kind in word.kinds)


def _corrupt(word: Corruption, bounds: tuple[float, float], x: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """Return one picture corrupted, in the same shape."""
    lo, hi = bounds
    levels = np.clip(np.rint((x.astype(np.float64) - lo) / (hi - lo) * 255), 0, 255).astype(np.uint8)
    picture = np.moveaxis(levels, 0, 2) if x.ndim == 3 else levels[..., None]
    found = corrupt(np.ascontiguousarray(picture), kind, word.severity, word.seed) / 255.0 * (hi - lo) + lo
    arranged: NDArray[np.float32] = (np.moveaxis(found, 2, 0) if x.ndim == 3 else found[..., 0]).astype(np.float32)
    return arranged


def _digest(x: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(x, np.float32).tobytes()).hexdigest()
