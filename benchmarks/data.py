"""Data sets made of what is installed: Fashion-MNIST, the embedded digits and scikit-learn's two photographs.

Both splits are drawn by fixed seeds, each from the same split of what they are made of.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from robust.data.sets import digits, fashion_mnist

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robust.data.dataset import Split

    Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]

SIZES = {"train": 20_000, "test": 2_000}
SEEDS = {"train": 0, "test": 1}
BORDER = 448  # of 640 columns of a photograph: crops for training lie left of it, those for testing right
TINTS = np.array([(a, b, c) for a in (0.3, 1) for b in (0.3, 1) for c in (0.3, 1)] + [(1, 0.6, 0), (0, 0.6, 1)])
CROP, SIDE = 64, 32  # pixels of a crop, and of it and the picture after it was halved


def pairs(split: "Split") -> "Arrays":
    """Return clothes with a digit in a corner, (n, 1, 20, 20); a class is ten times the first plus the other."""
    rng, n = np.random.RandomState(SEEDS[split]), SIZES[split]
    (clothes, kinds), (numbers, values) = fashion_mnist.read(split), digits.read(split)
    left, right = rng.randint(len(clothes), size=n), rng.randint(len(numbers), size=n)
    x = np.zeros((n, 1, 20, 20), np.float32)
    x[:, :, :14, :14] = _halve(clothes[left])
    x[:, :, 12:, 12:] = np.maximum(x[:, :, 12:, 12:], numbers[right])
    return x, 10 * kinds[left] + values[right]


def colour(split: "Split") -> "Arrays":
    """Return tinted pictures of clothes over crops of photographs, (n, 3, 32, 32), in 10 classes."""
    rng, n = np.random.RandomState(SEEDS[split]), SIZES[split]
    clothes, kinds = fashion_mnist.read(split)
    chosen = rng.randint(len(clothes), size=n)
    picture = np.pad(clothes[chosen], ((0, 0), (0, 0), (2, 2), (2, 2)))
    tint = rng.uniform(0.4, 1, (n, 3, 1, 1)).astype(np.float32)
    return np.where(picture > 0, picture * tint, _crops(split, n, rng)), kinds[chosen]


def numbers(split: "Split", start: int, n: int) -> "Arrays":
    """Return n composites from number `start` on, (n, 3, 56, 56): tinted clothes and a digit over a photograph.

    Of 1,000 classes: a hundred times the kind of the clothes, ten times the digit, and the tint. They are made as
    they are asked for, since all would not fit into memory.
    """
    rng = np.random.RandomState([SEEDS[split], start])
    (clothes, kinds), (figures, values) = _read(split)
    which, other, tint = rng.randint(len(clothes), size=n), rng.randint(len(figures), size=n), rng.randint(10, size=n)
    x = np.repeat(np.repeat(_crops(split, n, rng), 2, 2), 2, 3)[:, :, :56, :56] / 2
    picture = clothes[which] * TINTS[tint][:, :, None, None]
    x[:, :, 2:30, 2:30] = np.where(clothes[which] > 0, picture, x[:, :, 2:30, 2:30])
    digit = np.repeat(np.repeat(figures[other], 2, 2), 2, 3)
    x[:, :, 36:52, 36:52] = np.maximum(x[:, :, 36:52, 36:52], digit)
    return x.astype(np.float32), 100 * kinds[which] + 10 * values[other] + tint


@cache
def _read(split: "Split") -> "tuple[Arrays, Arrays]":
    return fashion_mnist.read(split), digits.read(split)


def _crops(split: "Split", n: int, rng: np.random.RandomState) -> "NDArray[np.float32]":
    """Return crops of the photographs, (n, 3, 32, 32), from the split's part of each."""
    photographs = _photographs()
    part = photographs[..., :BORDER] if split == "train" else photographs[..., BORDER:]
    which = rng.randint(len(part), size=n)
    tops, lefts = rng.randint(part.shape[2] - CROP, size=n), rng.randint(part.shape[3] - CROP, size=n)
    crops = (part[k, :, i : i + CROP, j : j + CROP] for k, i, j in zip(which, tops, lefts, strict=True))
    return _halve(np.stack([*crops]).astype(np.float32) / np.float32(255))


@cache
def _photographs() -> "NDArray[np.uint8]":
    """Return the two photographs, (2, 3, height, width)."""
    from sklearn.datasets import load_sample_images  # type: ignore[import-untyped]  # of the peers alone

    return np.stack(load_sample_images().images).transpose(0, 3, 1, 2)


def _halve(x: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return pictures of half the size, the means of 2x2 pixels."""
    n, channels, height, width = x.shape
    halved: NDArray[np.float32] = x.reshape(n, channels, height // 2, 2, width // 2, 2).mean((3, 5), dtype=np.float32)
    return halved
