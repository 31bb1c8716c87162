"""Intervals and comparisons of accuracies. This imports scipy, so it is imported late."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, gammaln, ndtri

from robust.flags import Flags

Counts = NDArray[np.int64]
PValues = NDArray[np.float64]

RESAMPLES = 1999
EQUAL = 1 + 1e-7  # two probabilities within this factor are the same, as in R's fisher.test


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of k successes in n, as shares (Wilson 1927)."""
    z, share = _quantile(0.5 + level / 2), k / n
    middle, weight = share + z**2 / (2 * n), 1 + z**2 / n
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The bounds at 0 and n are exact; rounding would move them a little.
    low = 0.0 if k == 0 else (middle - half) / weight
    return low, 1.0 if k == n else (middle + half) / weight


def bootstrap_mean(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Return the BCa bootstrap interval of the mean of values, (n,), always the same (Efron 1987)."""
    if len(values) < 2 or not np.ptp(values):
        return float(values.mean()), float(values.mean())
    from scipy.stats import bootstrap

    found = bootstrap((values,), np.mean, n_resamples=RESAMPLES, batch=64, confidence_level=level, rng=0)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def mean_iou(regions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean intersection over union, (...), of the pixels of each class's intersection and union, (..., 2 C).

    Classes count that occur in labels or in answers.
    """
    inner, outer = np.split(np.asarray(regions, np.float64), 2, axis=-1)
    occur = outer > 0
    shares = np.divide(inner, outer, out=np.zeros_like(outer), where=occur)
    mean: NDArray[np.float64] = shares.sum(-1) / np.maximum(occur.sum(-1), 1)
    return mean


def bootstrap_iou(regions: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean_iou of a set, of its samples' regions, (n, 2 C).

    It is always the same.
    """
    n, rng = len(regions), np.random.default_rng(0)
    draws = [rng.multinomial(n, np.full(n, 1 / n), 64) @ regions for _ in range(RESAMPLES // 64)]
    low, high = np.quantile(mean_iou(np.concatenate(draws)), [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def bootstrap_iou_change(
    before: NDArray[np.float64], after: NDArray[np.float64], level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the change of mean_iou, of the regions of the same maps, (n, 2 C).

    It is always the same.
    """
    n, rng, changes = len(before), np.random.default_rng(0), []
    for _ in range(RESAMPLES // 64):
        drawn = rng.multinomial(n, np.full(n, 1 / n), 64)
        changes.append(mean_iou(drawn @ after) - mean_iou(drawn @ before))
    low, high = np.quantile(np.concatenate(changes), [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def permuted_iou(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a change of mean_iou, of the regions of the same maps, (n, 2 C).

    That is the paired permutation test: of each map before and after are swapped at random, always the same.
    """
    change, rng = mean_iou(after.sum(0)) - mean_iou(before.sum(0)), np.random.default_rng(0)
    moved, extreme, drawn = after - before, 0, 0
    for _ in range(RESAMPLES // 64):
        swapped = rng.integers(0, 2, (64, len(moved))) @ moved
        others = mean_iou(after.sum(0) - swapped) - mean_iou(before.sum(0) + swapped)
        extreme, drawn = extreme + int((np.abs(others) * EQUAL >= abs(change)).sum()), drawn + len(others)
    return (extreme + 1) / (drawn + 1)


def permuted_mean(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the mean of paired differences, (n,), by their signs, always the same.

    That is Fisher's paired permutation test: exact for few samples, and by random signs for more.
    """
    if not differences.any():
        return 1.0
    from scipy.stats import permutation_test

    found = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, batch=64, vectorized=True, rng=0
    )
    return float(found.pvalue)


def count_needed(share: float, margin: float, level: float = 0.95) -> int:
    """Return how many samples it takes so that the Wilson interval of share + margin, below 1, begins at the share."""
    return math.ceil(_quantile(0.5 + level / 2) ** 2 * share * (1 - share) / margin**2)


@cache
def _quantile(share: float) -> float:
    return float(ndtri(share))


def mcnemar(a: Flags, b: Flags) -> float:
    """Return the exact two-sided p-value of equal accuracy, for outcomes (n,) on the same samples (McNemar 1947)."""
    only_a, only_b = np.array([(a & ~b).sum()]), np.array([(b & ~a).sum()])
    return float(mcnemar_all(only_a, only_b)[0])


def mcnemar_all(only_a: Counts, only_b: Counts) -> PValues:
    """Return `mcnemar` of many pairs, of each from the numbers of samples that only one of both has right."""
    least, total = np.minimum(only_a, only_b), only_a + only_b
    most = int(total.max(initial=0)) + 1
    pairs = least * most + total
    table = np.empty((most // 2 + 1) * most)
    if table.size > pairs.size:
        return _fair_tails(least, total)
    known = np.zeros(table.size, bool)  # among many pairs there are few different ones
    known[pairs] = True
    different = np.flatnonzero(known)
    table[different] = _fair_tails(*np.divmod(different, most))
    p_values: PValues = table[pairs]
    return p_values


def _fair_tails(least: Counts, total: Counts) -> PValues:
    p_values: PValues = np.minimum(1.0, 2 * bdtr(least.astype(float), total, 0.5))
    return p_values


def wilcoxon(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test of paired values, (n,), without equal ones (1945)."""
    from scipy.stats import wilcoxon as test

    difference = (a - b)[a != b]
    return float(test(difference).pvalue) if len(difference) else 1.0


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
    counts = (np.array([count]) for count in (a.sum(), len(a), b.sum(), len(b)))
    return float(fisher_all(*counts)[0])


def fisher_all(k_a: Counts, n_a: Counts, k_b: Counts, n_b: Counts) -> PValues:
    """Return `fisher` of many pairs, of each from k of n samples; pairs with equal sizes and sum share the work."""
    margins, which = np.unique(np.stack([n_a, n_b, k_a + k_b]), axis=1, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(which.ravel(), minlength=margins.shape[1]))
    p_values = np.ones(len(k_a))
    for (size_a, size_b, total), members in zip(margins.T.tolist(), np.split(order, ends[:-1]), strict=True):
        p_values[members] = _fisher_tails(k_a[members], size_a, size_b, total)
    return p_values


def _fisher_tails(k_a: Counts, n_a: int, n_b: int, total: int) -> PValues:
    """Return the probabilities of tables that are at most as likely as those with `k_a`, the margins being fixed."""
    first = max(0, total - n_b)
    k = np.arange(first, min(total, n_a) + 1)
    logs = -(gammaln(k + 1) + gammaln(n_a - k + 1) + gammaln(total - k + 1) + gammaln(n_b - total + k + 1))
    weights = np.exp(logs - logs.max())
    ascending = np.sort(weights)
    sums = np.cumsum(ascending)
    tails = sums[np.searchsorted(ascending, weights[k_a - first] * EQUAL, side="right") - 1]
    p_values: PValues = np.minimum(1.0, tails / sums[-1])
    return p_values


def holm_bound(p_values: PValues, alpha: float) -> float:
    """Return the bound below which p-values are significant, so that all together err with alpha (Holm 1979)."""
    ordered = np.sort(p_values)
    fails = ordered * np.arange(len(ordered), 0, -1) >= alpha
    return float(ordered[fails.argmax()]) if fails.any() else math.inf


def above(k: int, n: int, share: float) -> float:
    """Return the exact one-sided p-value of k or more successes in n, each with the probability `share`."""
    from scipy.stats import binomtest  # it takes longer to import than a board of a thousand rows to draw

    return float(binomtest(k, n, share, alternative="greater").pvalue)
