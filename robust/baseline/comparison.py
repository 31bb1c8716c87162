"""Comparison: two outcomes on the same samples, and whether the second is worse by more than is allowed.

The drop itself must be above the margin, and McNemar's exact test must show that it is not chance. The test compares
the drop with none, not with the margin: see docs/baselines.md.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from robust.baseline.tolerance import Tolerance
from robust.flags import Flags
from robust.report.ranks import ALPHA
from robust.stats import mcnemar, newcombe

Ruling = Literal["holds", "inconclusive", "fails"]

MAX_NAMED = 10  # samples


class Paired(Protocol):
    """Two outcomes on the same samples: accuracies, or mean scores. `str` of one is the whole comparison in words."""

    @property
    def lost(self) -> Flags:
        """Return the samples that are worse after a change, (n,)."""
        ...

    @property
    def won(self) -> Flags:
        """Return the samples that are better after a change, (n,)."""
        ...

    @property
    def figures(self) -> tuple[float, float]:
        """Return the figures before and after: of accuracies counts of samples."""
        ...

    @property
    def points(self) -> float:
        """Return the change of the figure; of accuracies in percentage points."""
        ...

    @property
    def change(self) -> str:
        """Return `points` as the beginning of a sentence with its verb."""
        ...

    @property
    def p(self) -> float:
        """Return the two-sided p-value that nothing has changed."""
        ...

    def ruling(self, margin: Tolerance) -> Ruling:
        """Decide whether the change keeps the margin; inconclusive if it does not, but may be chance."""
        ...


@dataclass(frozen=True)
class Comparison:
    """The samples, of the same n, that count for an accuracy before and after a change."""

    before: Flags  # (n,)
    after: Flags  # (n,)

    @property
    def lost(self) -> Flags:
        """(n,): the samples that counted before alone."""
        return self.before & ~self.after

    @property
    def won(self) -> Flags:
        """(n,): the samples that count after alone."""
        return self.after & ~self.before

    @property
    def points(self) -> float:
        """The change in percentage points; below 0 if it is worse."""
        return 100 * (int(self.after.sum()) - int(self.before.sum())) / len(self.before)

    @property
    def figures(self) -> tuple[int, int]:
        """The numbers of samples that count before and after."""
        return int(self.before.sum()), int(self.after.sum())

    @property
    def change(self) -> str:
        """The change as the beginning of a sentence."""
        return f"{self.points:+.1f} points are"

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `points`, by Newcombe's method for paired shares."""
        low, high = newcombe(self.after, self.before)
        return 100 * low, 100 * high

    @cached_property
    def p(self) -> float:
        """The two-sided p-value of McNemar's exact test that both are equally good."""
        return mcnemar(self.before, self.after)

    def ruling(self, margin: Tolerance) -> Ruling:
        """Decide whether the drop keeps the margin; inconclusive if it does not, but may be chance."""
        dropped = int(self.before.sum()) - int(self.after.sum())
        if 100 * dropped <= margin.points * len(self.before):
            return "holds"
        return "fails" if self.p < ALPHA else "inconclusive"

    def __str__(self) -> str:
        before, after = (100 * flags.mean() for flags in (self.before, self.after))
        low, high = self.interval
        change = f"{self.points:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
        counts = f"{self.lost.sum()} lost, {self.won.sum()} won, p = {self.p:.2g}"
        return f"{before:.1f} to {after:.1f} %, {change}, {counts}"


def name_samples(which: Flags, numbers: NDArray[np.int64]) -> str:
    """Name samples by their numbers in the split: "3, 17, 20" or "3, 17, ... (37 in all)"."""
    chosen = numbers[which]
    text = ", ".join(map(str, chosen[:MAX_NAMED]))
    return text if len(chosen) <= MAX_NAMED else f"{text}, ... ({len(chosen)} in all)"
