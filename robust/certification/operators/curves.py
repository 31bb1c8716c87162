"""Functions of one number, applied to each element: a line below and a line above each.

For a slope the nearest line is known from the curve's values at a few points: exactly where it is linear between them,
and else with room for how far it bends between two. The slope is that of the hull of the points at the middle, which
leaves the least area between curve and line; for ReLU this is CROWN's choice (1811.00866).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor

from robust.certification.operators.operator import Interval, flat
from robust.certification.operators.rounding import LIBRARY

POINTS = 65  # of a smooth curve, for constants
FLAT = 1e-9  # a smaller difference of slopes is rounding
FEW = 8  # of them, for slopes; even, so that none is the middle

Bend = Callable[[Interval], Tensor | float]


@dataclass(frozen=True)
class Curve:
    """A function that is linear between `kinks`, or whose second derivative there is at most `bend`."""

    function: Callable[[Tensor], Tensor]
    kinks: Sequence[float | Tensor] = ()
    bend: Bend | None = None
    above: float = -math.inf  # it is bounded for larger numbers only
    turns: tuple[float, ...] | None = None  # between them it only rises or only falls; None: this is not known
    exact: bool = False  # it picks one of several numbers: nothing is rounded
    jump: Bend | None = None  # how far it may be from the function that bends so

    affine: bool = field(default=False, init=False)

    def value(self, *values: Tensor) -> Tensor:
        """Return the value, (n, 1, ...), for values of n samples."""
        return self.function(values[0])

    def interval(self, *sources: Interval) -> Interval:
        """Return bounds of the value from bounds of its source."""
        if self.turns is None:
            at = self.sample(sources[0], POINTS)
            return Interval(at.y.amin(0) - at.room, at.y.amax(0) + at.room).widen()
        lo, hi = self._within(sources[0])
        at_ends = [self.function(x) for x in (lo, hi, *(lo.clamp_min(turn).minimum(hi) for turn in self.turns))]
        found = Interval(reduce(torch.minimum, at_ends), reduce(torch.maximum, at_ends))
        return found if self.exact else found.widen_ends()

    def _within(self, source: Interval) -> Interval:
        """Return the bounds of the source, of which one is no number, which proves nothing, where it may leave off."""
        return Interval(torch.where(source.lo > self.above, source.lo, math.nan), source.hi)

    def sample(self, source: Interval, points: int) -> "Sampled":
        """Return values of the curve for a source within these bounds: at kinks, at the ends and between them."""
        lo, hi = self._within(source)
        shares = torch.linspace(0, 1, points if self.bend else 2, dtype=torch.float64).tolist()
        ends = [lo.lerp(hi, share) for share in shares]
        x = torch.stack([lo.clamp_min(kink).minimum(hi) for kink in self.kinks] + ends)
        y, room = self.function(x), torch.zeros_like(lo)
        if self.bend is not None:
            room = self.bend(Interval(lo, hi)) * ((hi - lo) / (points - 1)) ** 2 / 8
            if self.turns == ():  # it stays between two values that are next to each other
                room = room.fmin(y[-points:].diff(dim=0).abs().amax(0))
        if self.jump is not None:
            room = room + self.jump(Interval(lo, hi))
        return Sampled(x, y, room)

    def relax(self, *sources: Interval) -> "CurveLines":
        """Return the lines that leave the least area for a source within these bounds."""
        few = self.sample(sources[0], FEW)
        if len(few.x) == 3:
            return CurveLines(few, *few.hull_slopes_of_three())
        return CurveLines(self.sample(sources[0], POINTS), few.hull_slope(-1), few.hull_slope(1))

    def rounding(self, *sources: Interval) -> tuple[float, Tensor | float]:
        """Return how much is rounded, of a function's value and of its argument."""
        if self.exact:  # only the ends of a clamp are rounded, once
            ends = reduce(torch.maximum, (torch.as_tensor(kink, dtype=torch.float64).abs() for kink in self.kinks))
            return (1, ends) if bool(ends.any()) else (0, 0.0)
        return LIBRARY, sources[0].size() + self.interval(*sources).size()

    def undecided(self, *sources: Interval) -> Sequence[Tensor]:
        """Mark where the curve is no line within the bounds."""
        lo, hi = sources[0]
        if self.bend is not None:
            return [hi > lo]
        marks = torch.zeros_like(lo, dtype=torch.bool)
        for kink in self.kinks:
            marks |= (lo < kink) & (kink < hi)
        return [marks]


@dataclass(frozen=True)
class Sampled:
    """Points of a curve, (points, b, 1, ...), and how far it may leave what is linear between them."""

    x: Tensor
    y: Tensor
    room: Tensor

    def hull_slope(self, side: int) -> Tensor:
        """Return the slope of the hull above (side 1) or below (-1) at the middle of the bounds, (b, 1, ...)."""
        order = self.x.argsort(0)
        x, y = self.x.gather(0, order), side * self.y.gather(0, order)
        middle = x[0].lerp(x[-1], 0.5)
        height, slope = torch.full_like(middle, -math.inf), torch.zeros_like(middle)
        for i in range(len(x)):
            for j in range(i + 1, len(x)):
                run = x[j] - x[i]
                chord = (y[j] - y[i]) / torch.where(run > 0, run, 1)
                at = y[i] + chord * (middle - x[i])
                better = (x[i] <= middle) & (middle <= x[j]) & (run > 0) & (at > height)
                height, slope = torch.where(better, at, height), torch.where(better, chord, slope)
        return side * slope

    def hull_slopes_of_three(self) -> tuple[Tensor, Tensor]:
        """Return what `hull_slope` does, below and above, for two ends and a kink between them: in less time."""
        (kink, lo, hi), (at_kink, at_lo, at_hi) = self.x, self.y
        chord = _over(at_hi - at_lo, hi - lo)
        middle = lo.lerp(hi, 0.5)
        piece = torch.where(middle <= kink, _over(at_kink - at_lo, kink - lo), _over(at_hi - at_kink, hi - kink))
        convex = at_kink <= at_lo + chord * (kink - lo)
        return torch.where(convex, piece, chord), torch.where(convex, chord, piece)

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Return the least and the largest slope between two neighbouring points, (b, 1, 1, ...)."""
        low, high = self._steps(math.inf), self._steps(-math.inf)
        return low.amin(0).unsqueeze(1), high.amax(0).unsqueeze(1)

    def turns(self, side: int) -> bool:
        """Whether a line on this side, 1 above or -1 below, may touch other points than both ends.

        If not, the one through the ends is the best.
        """
        slopes = side * self._steps(math.nan)
        return bool((slopes[1:] < slopes[:-1] - FLAT).any())

    def _steps(self, none: float) -> Tensor:
        """Return the slopes between neighbouring points, (points - 1, b, 1, ...); `none` where two are the same."""
        order = self.x.argsort(0)
        x, y = self.x.gather(0, order), self.y.gather(0, order)
        run = x.diff(dim=0)
        return torch.where(run > 0, y.diff(dim=0) / torch.where(run > 0, run, 1), none)

    def constants(self, slope: Tensor, side: int) -> Tensor:
        """Return the least c for which slope * x + c is above the curve (side 1), or the largest for below (-1).

        The slope is (b, k, 1, ...), as is the result.
        """
        x, y = self.x.unsqueeze(2), self.y.unsqueeze(2)
        if not slope.requires_grad:
            off = y - slope * x
            return off.amax(0) + self.room.unsqueeze(1) if side > 0 else off.amin(0) - self.room.unsqueeze(1)
        # Of points that are as near the derivative is that of the first: a kink holds a line of any slope between its
        # neighbours', and the mean with an end's would lead away.
        best = y[0] - slope * x[0]
        for k in range(1, len(x)):
            off = y[k] - slope * x[k]
            best = torch.where(side * off > side * best, off, best)
        return best + side * self.room.unsqueeze(1)


def _over(rise: Tensor, run: Tensor) -> Tensor:
    """Return the slope of a rise over a run; 0 over none."""
    return rise / torch.where(run > 0, run, 1)


class CurveLines:
    """Lines with the slopes `below` and `above`, (b, 1, ...) or, for k rows each their own, (b, k, 1, ...)."""

    def __init__(self, at: Sampled, below: Tensor, above: Tensor) -> None:
        self.at = at
        rank = at.room.dim() + 1
        self.below, self.above = (each if each.dim() == rank else each.unsqueeze(1) for each in (below, above))
        self.low, self.high = at.constants(self.below, -1), at.constants(self.above, 1)

    def back(self, a: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Return coefficients and constants; see `Lines`."""
        positive, gap = a.clamp_min(0), self.low - self.high
        if gap.shape[1] == 1:  # of all rows: a product of matrices
            high, gap = (flat(each, 2).transpose(1, 2) for each in (self.high, gap))
            constant = (flat(a, 2) @ high + flat(positive, 2) @ gap).squeeze(2)
        else:
            constant = flat(a * self.high + positive * gap, 2).sum(2)
        return [torch.addcmul(a * self.above, positive, self.below - self.above)], constant
