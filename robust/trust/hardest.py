"""The samples on which an attack is tried first: the hardest, and as many by lot."""

import math

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags

HARDEST, MIN_HARDEST = 1 / 16, 6  # share and number of the robust samples on which an attack is tried first
FEWEST = 3  # of these, if the budget allows no more
MIN_HINTS = 2  # samples that it must break there to be tried on more
MORE = 24  # samples at a time, hardest first


def count_first(n: int) -> int:
    """Count the samples on which an attack is tried first, of n that are robust."""
    return min(n, max(MIN_HARDEST, math.ceil(HARDEST * n)))


def pick_hardest(mask: Flags, lead: NDArray[np.float64], n: int, seed: int) -> Flags:
    """Mark n of the samples in `mask`, (m,), whose labels lead by so much, (m,).

    An attack breaks those with the smallest lead first, if it breaks any. Every other one is drawn from all, since a
    model may write its leads as it likes.
    """
    rows = np.flatnonzero(mask)
    n = min(len(rows), n)
    drawn = np.random.default_rng(seed).permutation(rows)[: n // 2]
    by_lead = rows[np.argsort(lead[rows], kind="stable")]
    chosen = np.zeros_like(mask)
    chosen[drawn] = True
    chosen[by_lead[~chosen[by_lead]][: n - len(drawn)]] = True
    return chosen
