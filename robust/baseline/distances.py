"""DistanceComparison: the distances of two curves on the same samples, and whether the second's are smaller.

It sees a loss that one eps hides: samples that are nearer to an adversarial input, and on the same side of that eps.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from robust.baseline.comparison import Ruling
from robust.baseline.matching import UnfitError, Wanted
from robust.baseline.tolerance import Tolerance
from robust.flags import Flags
from robust.records.curve import Curve, describe_radius
from robust.records.record import Record
from robust.report.ranks import ALPHA
from robust.stats import wilcoxon

EQUAL = 1e-3  # of a distance: what is closer is called neither nearer nor further


class NoCurveError(UnfitError):
    """A row has no curve that could be compared with."""


@dataclass(frozen=True)
class DistanceComparison:
    """The curves of the same n samples before and after a change."""

    old: Curve
    new: Curve

    @cached_property
    def before(self) -> NDArray[np.float64]:
        """(n,): the distances before; one that is beyond the end counts as the end."""
        return np.minimum(self.old.distance.astype(np.float64), self.old.last)

    @cached_property
    def after(self) -> NDArray[np.float64]:
        """(n,): the distances after."""
        return np.minimum(self.new.distance.astype(np.float64), self.old.last)

    @property
    def lost(self) -> Flags:
        """(n,): the samples that are nearer to an adversarial input than before."""
        nearer: Flags = self.after < self.before * (1 - EQUAL)
        return nearer

    @property
    def won(self) -> Flags:
        """(n,): the samples that are further from one."""
        further: Flags = self.before < self.after * (1 - EQUAL)
        return further

    @property
    def points(self) -> float:
        """The change of the mean distance in percent; below 0 if it is worse."""
        before = float(self.before.mean())
        return 100 * (float(self.after.mean()) - before) / before if before else 0.0

    @cached_property
    def figures(self) -> tuple[float, float]:
        """The mean distances before and after."""
        return float(self.before.mean()), float(self.after.mean())

    @property
    def change(self) -> str:
        """The change as the beginning of a sentence."""
        return f"{self.points:+.1f} % are"

    @cached_property
    def p(self) -> float:
        """The two-sided p-value of Wilcoxon's signed-rank test that neither is further from adversarial inputs."""
        return wilcoxon(self.before, self.after)

    def ruling(self, margin: Tolerance) -> Ruling:
        """Decide whether the drop of the mean keeps the margin; inconclusive if it does not, but may be chance."""
        if -self.points <= float(margin.points):
            return "holds"
        return "fails" if self.p < ALPHA else "inconclusive"

    def __str__(self) -> str:
        before, after = (describe_radius(curve, curve.median) for curve in (self.old, self.new))
        counts = f"{self.lost.sum()} nearer, {self.won.sum()} further, p = {self.p:.2g} by Wilcoxon's test"
        return f"median {before} to {after}, mean {self.points:+.1f} %, {counts}"


def find_curve(record: Record, end: str) -> Curve:
    """Return the curve of a row up to `end`; NoCurveError if it has none, or another one."""
    curve, row = record.curve, f"the row of {Wanted.of(record)}"
    if curve is None:
        raise NoCurveError(f"{row} has no curve; it was measured without --robust-curve")
    if curve.partial:
        raise NoCurveError(f"the curve of {row} was stopped by the {curve.partial}")
    if curve.end != end:
        raise NoCurveError(f"the curve of {row} ends at {curve.end}, not {end}: take --robust-curve={curve.end}")
    return curve


def compare_curves(before: Record, after: Record) -> DistanceComparison | None:
    """Compare the curves of two rows; None if one has none, or they were stopped or end at different radii."""
    old, new = before.curve, after.curve
    if old is None or new is None or old.partial or new.partial or old.end != new.end:
        return None
    return DistanceComparison(old, new)
