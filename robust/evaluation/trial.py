"""Trials: a rung of a curve's ladder attacks a few samples first, and ever more while they show that it pays.

Who is in a trial, and whether it has paid, depends on all samples alone: not on ranks, batches or what a cache held.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust.evaluation.known_distances import Distances, Known

LEAST, SHARE = 16, 0.02  # samples of the first trial; each that pays is followed by one of twice as many
NEARER = 0.005  # of a sample's distance, by which it must come nearer to count
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples spread evenly, however many there are: samples may be sorted by class


def deal(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of all samples, (m,) in any order, in trials of ever more."""
    order = np.sort(rows)[np.argsort(np.arange(len(rows)) * GOLDEN % 1, kind="stable")]
    start, count = 0, max(LEAST, math.ceil(SHARE * len(rows)))
    while start < len(rows):
        yield order[start : start + count]
        start, count = start + count, 2 * count


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a search on one rank: the distances, (m,), and the passes so far."""

    distance: Distances
    passes: int

    @classmethod
    def of(cls, state: Known) -> "Mark":
        return cls(state.distance.copy(), state.passes)

    def count(self, state: Known) -> tuple[int, int]:
        """Return (samples that came nearer, passes) since this moment."""
        return int((state.distance < self.distance * (1 - NEARER)).sum()), state.passes - self.passes


def has_paid(counts: list[tuple[int, int]], price: float) -> bool:
    """Whether samples came nearer for at most so many passes each, by what each rank counts."""
    nearer, passes = np.sum(counts, axis=0)
    return bool(nearer and nearer * price >= passes)
