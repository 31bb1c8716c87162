"""Intervals and comparisons of accuracies. Imports scipy, so it is imported late."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, ndtri
from scipy.stats import binomtest, fisher_exact

from robust.flags import Flags


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of k successes in n, as shares (Wilson 1927)."""
    z, share = float(ndtri(0.5 + level / 2)), k / n
    middle, weight = share + z**2 / (2 * n), 1 + z**2 / n
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the bound is exact, where rounding would leave it a hair beside.
    low = 0.0 if k == 0 else (middle - half) / weight
    return low, 1.0 if k == n else (middle + half) / weight


def mcnemar(a: Flags, b: Flags) -> float:
    """The exact two-sided p-value that a and b, outcomes on the same samples, are equally good (McNemar 1947)."""
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def newcombe(a: Flags, b: Flags) -> tuple[float, float]:
    """The 95 % interval of how much larger the share of a is than that of b, on the same samples (Newcombe 1998).

    Method 10 there: the Wilson intervals of both, joined by their correlation.
    """
    n, p, q = len(a), float(a.mean()), float(b.mean())
    (low_p, high_p), (low_q, high_q) = wilson(int(a.sum()), n), wilson(int(b.sum()), n)
    phi = _phi(a, b)

    def reach(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    return p - q - reach(p - low_p, high_q - q), p - q + reach(high_p - p, q - low_q)


def _phi(a: Flags, b: Flags) -> float:
    """The correlation of two outcomes; where it is above 0, corrected for continuity."""
    both, neither, n = int((a & b).sum()), int((~a & ~b).sum()), len(a)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    spread = math.sqrt((both + only_a) * (both + only_b) * (neither + only_a) * (neither + only_b))
    excess = both * neither - only_a * only_b
    return (max(excess - n / 2, 0) if excess > 0 else excess) / spread if spread else 0.0


def fisher(a: Flags, b: Flags) -> float:
    """The exact two-sided p-value that a and b, outcomes on different samples, are equally good (Fisher 1922)."""
    table = np.array([[a.sum(), (~a).sum()], [b.sum(), (~b).sum()]], np.int64)
    return float(fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that all comparisons together err with the stated probability (Holm 1979)."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = worst
    return adjusted


def above(k: int, n: int, share: float) -> float:
    """The exact one-sided p-value that k or more of n fall where each does with a probability of `share`."""
    return float(binomtest(k, n, share, alternative="greater").pvalue)
