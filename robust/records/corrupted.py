"""The answers to each corruption of each sample, as a row holds them, and their means. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust.attacks.grammar.corruption import list_corruptions
from robust.records.columns import Columns

CORRUPTED = "corrupted"  # the column of an attack, (n, corruptions): 1 right, 0 wrong, NaN not asked, for lack of time


@dataclass(frozen=True, slots=True)
class Corrupted:
    """The answers to the corruptions of n samples, right or wrong."""

    titles: tuple[str, ...]  # of the corruptions: "fog", or of several severities "fog 3"
    right: NDArray[np.float64]  # (n, corruptions), as the column

    @property
    def shares(self) -> NDArray[np.float64]:
        """(n,): the share of the corruptions of each sample that are answered right; NaN where none was asked."""
        known = np.isfinite(self.right)
        total = np.where(known, self.right, 0).sum(1)
        return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)

    @property
    def counts(self) -> list[tuple[str, int, int]]:
        """List (title, right answers, answers) of the corruptions that any sample was asked for, in their order."""
        known = np.isfinite(self.right)
        counted = zip(self.titles, np.nansum(self.right, 0), known.sum(0), strict=True)
        return [(title, int(right), int(n)) for title, right, n in counted if n]


def find_corrupted(threat: str, columns: Columns) -> Corrupted | None:
    """Return what an attack's columns hold of the corruptions in a threat model; None without any, or for damage."""
    titles, column = tuple(list_corruptions(threat)), columns.get(CORRUPTED)
    if not titles or column is None:
        return None
    right = column.astype(np.float64).reshape(len(column), -1)
    return Corrupted(titles, right) if right.shape[1] == len(titles) else None
