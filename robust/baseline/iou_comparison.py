"""Compare the mIoU of maps on the same samples: it is of the whole set, so samples are drawn, or swapped, as wholes.

It must have dropped by more than the margin, and a paired permutation test must show that this is not chance. As for
accuracies, the test compares the drop with none, not with the margin.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robust.baseline.comparison import Ruling
from robust.baseline.tolerance import Tolerance
from robust.flags import Flags
from robust.records.record import Record
from robust.report.ranks import ALPHA
from robust.stats import bootstrap_iou_change, mean_iou, permuted_iou

ROUNDING = 1e-6  # percentage points


@dataclass(frozen=True)
class IouComparison:
    """The regions of the same n maps before and after a change: pixels of each class's intersection and union."""

    before: NDArray[np.float64]  # (n, 2 C)
    after: NDArray[np.float64]  # (n, 2 C)

    @classmethod
    def of(cls, before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]]) -> "IouComparison":
        """Compare regions as records keep them; a class that one of both does not know has no pixels there."""
        classes = max(before.shape[1], after.shape[1]) // 2
        return cls(_widen(before, classes), _widen(after, classes))

    @property
    def lost(self) -> Flags:
        """(n,): the maps whose own mean IoU is lower after."""
        return mean_iou(self.after) < mean_iou(self.before)

    @property
    def won(self) -> Flags:
        """(n,): the maps whose own mean IoU is higher after."""
        return mean_iou(self.after) > mean_iou(self.before)

    @cached_property
    def figures(self) -> tuple[float, float]:
        """The mIoU of the set before and after, in percent."""
        return 100 * float(mean_iou(self.before.sum(0))), 100 * float(mean_iou(self.after.sum(0)))

    @property
    def points(self) -> float:
        """The change in percentage points; below 0 if it is worse."""
        return self.figures[1] - self.figures[0]

    @property
    def change(self) -> str:
        """The change as the beginning of a sentence."""
        return f"{self.points:+.4g} points are"

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `points`, of a bootstrap that draws the same maps before and after."""
        low, high = bootstrap_iou_change(self.before, self.after)
        return 100 * low, 100 * high

    @cached_property
    def p(self) -> float:
        """The two-sided p-value of the paired permutation test that nothing has changed."""
        return permuted_iou(self.before, self.after)

    def ruling(self, margin: Tolerance) -> Ruling:
        """Decide whether the drop keeps the margin; inconclusive if it does not, but may be chance."""
        if -self.points <= float(margin.points) + ROUNDING:
            return "holds"
        return "fails" if self.p < ALPHA else "inconclusive"

    def __str__(self) -> str:
        (before, after), (low, high) = self.figures, self.interval
        change = f"{self.points:+.4g} points (95 % interval {low:+.4g} to {high:+.4g})"
        counts = f"{self.lost.sum()} worse, {self.won.sum()} better, p = {self.p:.2g}"
        return f"{before:.4g} to {after:.4g} %, {change}, {counts}"


def compare_iou(before: Record, after: Record) -> IouComparison | None:
    """Compare the mIoU of two rows under attack; None if one of them has none."""
    if before.worst_regions is None or after.worst_regions is None:
        return None
    return IouComparison.of(before.worst_regions, after.worst_regions)


class Found(Protocol):
    """The worst inputs that an attack found, sample by sample."""

    @property
    def score(self) -> NDArray[np.float32] | None:
        """Return their scores, (n,); None if none were sought."""
        ...

    @property
    def regions(self) -> NDArray[np.float32] | None:
        """Return their regions, (n, 2 C); None if they are of no maps."""
        ...


def merge_regions(attacks: Iterable[Found], worst: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the regions, (n, 2 C), of the input with the `worst` score, (n,), that any of the attacks found."""
    found = [(each.score, each.regions) for each in attacks if each.score is not None and each.regions is not None]
    merged = found[0][1].copy()
    for score, regions in found:
        rows = score == worst
        merged[rows] = regions[rows]
    return merged


def _widen(regions: NDArray[np.floating[Any]], classes: int) -> NDArray[np.float64]:
    """Return regions, (n, 2 C), with as many classes; those that are added have no pixels."""
    inner, outer = np.split(regions.astype(np.float64), 2, axis=1)
    more = ((0, 0), (0, classes - inner.shape[1]))
    return np.concatenate([np.pad(inner, more), np.pad(outer, more)], axis=1)
