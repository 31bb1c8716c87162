"""Two outcomes on the same samples, and whether the second is worse by more than is allowed.

The drop itself must be above the margin, and McNemar's exact test must show that it is not chance. The test is of the
drop against none, not against the margin: see docs/baselines.md.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robust.baseline.tolerance import Tolerance
from robust.flags import Flags
from robust.report.board import ALPHA
from robust.stats import mcnemar, newcombe

Ruling = Literal["holds", "inconclusive", "fails"]

SHOWN = 10  # samples that are named


@dataclass(frozen=True)
class Comparison:
    """What was right of the same n samples before and after a change."""

    before: Flags  # (n,)
    after: Flags  # (n,)

    @property
    def lost(self) -> Flags:
        return self.before & ~self.after

    @property
    def won(self) -> Flags:
        return self.after & ~self.before

    @property
    def points(self) -> float:
        """The change in percentage points: below 0 where it is worse."""
        return 100 * (int(self.after.sum()) - int(self.before.sum())) / len(self.before)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `points`."""
        low, high = newcombe(self.after, self.before)
        return 100 * low, 100 * high

    @cached_property
    def p(self) -> float:
        """McNemar's exact two-sided p-value that both are equally good."""
        return mcnemar(self.before, self.after)

    def ruling(self, margin: Tolerance) -> Ruling:
        """Whether the drop keeps the margin; inconclusive where it does not, and may be chance."""
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


def named(which: Flags, numbers: NDArray[np.int64]) -> str:
    """Some samples by their numbers in the split: "3, 17, 20" or "3, 17, ... (37 in all)"."""
    found = numbers[which]
    told = ", ".join(map(str, found[:SHOWN]))
    return told if len(found) <= SHOWN else f"{told}, ... ({len(found)} in all)"
