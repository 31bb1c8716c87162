"""Ranks of the rows of a board: pairs are compared by counts, since a large board has millions of them."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.stats import PValues, fisher_all, holm_bound, mcnemar_all

ALPHA = 0.05
ROWS = 256  # that are compared with all others at a time
SAMPLES = 2048  # that are counted at a time


def ranks(outcomes: Sequence[Flags], samples: Sequence[Hashable]) -> list[int]:
    """Return 1 + the number of significantly better rows, for rows in the order of their figures, the best first.

    Rows on the same samples, those with equal `samples`, are compared by McNemar's test, others by Fisher's; with
    Holm's correction over all pairs.
    """
    numbers = {name: k for k, name in enumerate(dict.fromkeys(samples))}
    groups = np.array([numbers[name] for name in samples], int)
    blocks = [(start, _compare(outcomes, groups, start)) for start in range(0, len(outcomes), ROWS)]
    bound = holm_bound(np.concatenate([p[_pairs(p)] for _, p in blocks]), ALPHA) if blocks else 0.0
    better = np.zeros(len(outcomes), int)
    for start, p_values in blocks:
        better[start:] += ((p_values < bound) & _pairs(p_values)).sum(0)
    return (1 + better).tolist()


def _pairs(p_values: PValues) -> NDArray[np.bool_]:
    """Return which entries are pairs of a row with one after it: each pair stands there once."""
    return np.triu(np.ones(p_values.shape, bool), 1)


def _compare(outcomes: Sequence[Flags], groups: NDArray[np.int64], start: int) -> PValues:
    """Return the p-values of the rows from `start`, at most ROWS of them, with all rows from there on."""
    right = np.array([flags.sum() for flags in outcomes[start:]])
    sizes = np.array([len(flags) for flags in outcomes[start:]])
    later = groups[start:]
    p_values = np.ones((len(later[:ROWS]), len(later)))
    others = later[:ROWS, None] != later
    if others.any():
        a, b = np.nonzero(others)
        p_values[a, b] = fisher_all(right[a], sizes[a], right[b], sizes[b])
    for group in np.unique(later[:ROWS]):
        members = np.flatnonzero(later == group)
        block = members[members < ROWS]
        both = _count_both([outcomes[start + k] for k in members.tolist()], len(block))
        only_a, only_b = right[block, None] - both, right[members] - both
        p_values[np.ix_(block, members)] = mcnemar_all(only_a, only_b)
    return p_values


def _count_both(outcomes: Sequence[Flags], first: int) -> NDArray[np.int64]:
    """Return how many samples each of the first rows and each of all have right, (first, rows)."""
    both = np.zeros((first, len(outcomes)), int)
    for part in _parts(outcomes):
        both += (part[:first] @ part.T).astype(int)  # exact, for a part has less than 2**24 samples
    return both


def _parts(outcomes: Sequence[Flags]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(outcomes[0]), SAMPLES):
        yield np.stack([flags[start : start + SAMPLES] for flags in outcomes]).astype(np.float32)
