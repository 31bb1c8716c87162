"""Compare mean scores, such as errors under attack, on the same samples.

The mean must be worse by more than the margin, and a paired permutation test must show that it is not chance. As for
accuracies, the test compares the change with none, not with the margin.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.criteria.registry import read_criterion
from robust.baseline.comparison import Ruling
from robust.baseline.tolerance import Tolerance
from robust.flags import Flags
from robust.records.corrupted import Corrupted
from robust.records.record import Record
from robust.report.ranks import ALPHA
from robust.report.scores import score_scale
from robust.stats import bootstrap_mean, permuted_mean

ROUNDING = 1e-6  # of the mean: scores are kept as float32


@dataclass(frozen=True)
class MeanComparison:
    """The scores of the same n samples before and after a change; one that is not finite does not count."""

    before: NDArray[np.float64]  # (n,), in the units of tables: shares are in percent
    after: NDArray[np.float64]  # (n,)
    rises: bool  # whether a higher score is worse
    unit: str = ""  # of the change: "points" of what is an accuracy, in percent

    @classmethod
    def of(
        cls, before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]], criterion: str
    ) -> "MeanComparison":
        """Compare scores as a criterion gives them."""
        scale = score_scale(criterion)
        return cls(scale * before.astype(np.float64), scale * after.astype(np.float64), read_criterion(criterion).rises)

    @property
    def lost(self) -> Flags:
        """(n,): the samples whose score is worse after."""
        return self._differences > 0 if self.rises else self._differences < 0

    @property
    def won(self) -> Flags:
        """(n,): the samples whose score is better after."""
        return self._differences < 0 if self.rises else self._differences > 0

    @cached_property
    def figures(self) -> tuple[float, float]:
        """The mean scores before and after, of the samples that have both."""
        known = np.isfinite(self._differences)
        return float(self.before[known].mean()), float(self.after[known].mean())

    @property
    def points(self) -> float:
        """The change of the mean score."""
        return self.figures[1] - self.figures[0]

    @property
    def change(self) -> str:
        """The change as the beginning of a sentence."""
        return f"{self.points:+.4g} points are" if self.unit else f"{self.points:+.4g} is"

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of `points`."""
        return bootstrap_mean(self._known)

    @cached_property
    def p(self) -> float:
        """The two-sided p-value of the paired permutation test that both have the same mean."""
        return permuted_mean(self._known)

    def ruling(self, margin: Tolerance) -> Ruling:
        """Decide whether the mean score keeps the margin; inconclusive if it does not, but may be chance."""
        worse = self.points if self.rises else -self.points
        if worse <= margin.points + ROUNDING * max(map(abs, self.figures)):
            return "holds"
        return "fails" if self.p < ALPHA else "inconclusive"

    def __str__(self) -> str:
        (before, after), (low, high) = self.figures, self.interval
        percent, unit = (" %", f" {self.unit}") if self.unit else ("", "")
        change = f"{self.points:+.4g}{unit} (95 % interval {low:+.4g} to {high:+.4g})"
        counts = f"{self.lost.sum()} worse, {self.won.sum()} better, p = {self.p:.2g}"
        return f"{before:.4g} to {after:.4g}{percent}, {change}, {counts}"

    @cached_property
    def _differences(self) -> NDArray[np.float64]:
        return self.after - self.before

    @property
    def _known(self) -> NDArray[np.float64]:
        return self._differences[np.isfinite(self._differences)]


def compare_scores(before: Record, after: Record) -> MeanComparison | None:
    """Compare the mean scores of two rows under attack; None if one of them has none."""
    if before.worst_score is None or after.worst_score is None:
        return None
    return MeanComparison.of(before.worst_score, after.worst_score, after.criterion["name"])


def compare_corrupted(before: Corrupted, after: Corrupted) -> MeanComparison:
    """Compare the means over the same corruptions, in percent; a sample counts that was asked for each, in both."""
    known = np.isfinite(before.right).all(1) & np.isfinite(after.right).all(1)
    was, now = (np.where(known, 100 * each.shares, np.nan) for each in (before, after))
    return MeanComparison(was, now, rises=False, unit="points")


def compare_corruptions(before: Record, after: Record) -> MeanComparison | None:
    """Compare the means over corruptions of two rows; None if one of them has none."""
    if before.corrupted is None or after.corrupted is None:
        return None
    return compare_corrupted(before.corrupted, after.corrupted)
