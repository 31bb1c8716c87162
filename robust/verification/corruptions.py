"""Corrupted pictures checked again: the same transform of the clean picture, whose digest must be that of the input.

The transform itself is the one that the attack used, since what it does is what the word means; all around it is read
and calculated anew. In a fresh process, to which nothing of the run's has come but the pictures, it is made once more.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.attacks.corruptions.corrupt import corrupt
from robust.attacks.corruptions.kinds import GROUPS
from robust.data.pictures import Pictures
from robust.flags import Flags

PREFIX = "corruption:"


class Corruption(NamedTuple):
    """A word of a threat model, "corruption:3:fog:after:seed=1"."""

    severity: int
    kinds: tuple[str, ...]
    seed: int
    after: bool  # whether it is done to the inputs, whatever pictures they are made of


def is_corruption(part: str) -> bool:
    """Whether a part of a threat model, no union, is of corruptions."""
    return part.startswith(PREFIX)


def read_corruption(text: str) -> Corruption:
    """Read the canonical word of a threat model."""
    severity, *options = text.removeprefix(PREFIX).split(":")
    after = "after" in options
    which = next((option for option in options if "=" not in option and option != "after"), "usual")
    seed = next((int(option.partition("=")[2]) for option in options if "=" in option), 0)
    return Corruption(int(severity), GROUPS.get(which, (which,)), seed, after)


def check_corrupted(
    text: str,
    bounds: tuple[float, float],
    x_adv: NDArray[np.float32],
    x: NDArray[np.float32],
    pictures: Pictures | None = None,
) -> Flags:
    """Mark the inputs x_adv, (n, channels, height, width), that are a corruption of x that the word admits, (n,).

    With `pictures`, of which a Dataset makes inputs, these are corrupted, and made into inputs once more.
    """
    found, sought = np.zeros(len(x), bool), [_digest(one) for one in x_adv]
    for kind in read_corruption(text).kinds:
        left = np.flatnonzero(~found)
        shown = show_corrupted(text, bounds, x[left], kind, pictures)
        found[left] = [_digest(one) == sought[k] for k, one in zip(left, shown, strict=True)]
    return found


def find_kinds(
    words: Sequence[str],
    bounds: tuple[float, float],
    x_adv: NDArray[np.float32],
    x: NDArray[np.float32],
    pictures: Pictures | None = None,
) -> NDArray[np.int64]:
    """Return which of the words, each of one corruption, makes each x_adv of x, (n,); -1 where none does."""
    places = np.full(len(x), -1, np.int64)
    for k, word in enumerate(words):
        places[(places < 0) & check_corrupted(word, bounds, x_adv, x, pictures)] = k
    return places


def show_corrupted(
    text: str, bounds: tuple[float, float], x: NDArray[Any], kind: str, pictures: Pictures | None = None
) -> NDArray[np.float32]:
    """Return pictures x, (n, channels, height, width) or (n, height, width), corrupted in one way.

    With `pictures` it is these, of which a Dataset makes inputs, unless the word says `after`.
    """
    word = read_corruption(text)
    if not len(x):
        return np.array(x, np.float32)
    if pictures is not None and not word.after:
        change = partial(corrupt, kind=kind, severity=word.severity, seed=word.seed)
        return pictures.remake(x, [change] * len(x))
    return np.array([_corrupt(word, bounds, picture, kind) for picture in x], np.float32).reshape(x.shape)


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
