"""Intervals and comparisons of accuracies. This imports scipy, so it is imported late."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, ndtri
from scipy.stats import binomtest, fisher_exact

from robust.flags import Flags


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of k successes in n, as shares (Wilson 1927)."""
    z, share = float(ndtri(0.5 + level / 2)), k / n
    middle, weight = share + z**2 / (2 * n), 1 + z**2 / n
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The bounds at 0 and n are exact; rounding would move them a little.
    low = 0.0 if k == 0 else (middle - half) / weight
    return low, 1.0 if k == n else (middle + half) / weight


def mcnemar(a: Flags, b: Flags) -> float:
    """Return the exact two-sided p-value of equal accuracy, for outcomes (n,) on the same samples (McNemar 1947)."""
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def newcombe(a: Flags, b: Flags) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy of a minus that of b, on the same samples (Newcombe 1998).

    This is method 10 there: the Wilson intervals of both, combined with their correlation.
    """
    n, p, q = len(a), float(a.mean()), float(b.mean())
    (low_p, high_p), (low_q, high_q) = wilson(int(a.sum()), n), wilson(int(b.sum()), n)
    phi = _phi(a, b)

    def reach(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    return p - q - reach(p - low_p, high_q - q), p - q + reach(high_p - p, q - low_q)


def _phi(a: Flags, b: Flags) -> float:
    """Return the correlation of two outcomes; a positive one is corrected for continuity."""
    both, neither, n = int((a & b).sum()), int((~a & ~b).sum()), len(a)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    spread = math.sqrt((both + only_a) * (both + only_b) * (neither + only_a) * (neither + only_b))
    excess = both * neither - only_a * only_b
    return (max(excess - n / 2, 0) if excess > 0 else excess) / spread if spread else 0.0


def fisher(a: Flags, b: Flags) -> float:
    """Return the exact two-sided p-value of equal accuracy, for outcomes on different samples (Fisher 1922)."""
    table = np.array([[a.sum(), (~a).sum()], [b.sum(), (~b).sum()]], np.int64)
    return float(fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that all comparisons together err with the stated probability (Holm 1979)."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = worst
    return adjusted


def above(k: int, n: int, share: float) -> float:
    """Return the exact one-sided p-value of k or more successes in n, each with the probability `share`."""
    return float(binomtest(k, n, share, alternative="greater").pvalue)
