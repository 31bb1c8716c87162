"""Functions of one number, applied to each element: a line below and a line above each.

For a slope the nearest line is known from the curve's values at a few points: exactly where it is linear between them,
and else with room for how far it bends between two. The slope is that of the hull of the points at the middle, which
leaves the least area between curve and line; for ReLU this is CROWN's choice (1811.00866).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.certification.operators.operator import Call, Interval, Slot, flat

POINTS = 65  # of a smooth curve, for constants
FLAT = 1e-9  # a smaller difference of slopes is rounding
FEW = 8  # of them, for slopes; even, so that none is the middle

Bend = Callable[[Interval], Tensor | float]


@dataclass(frozen=True)
class Curve:
    """A function that is linear between `kinks`, or whose second derivative there is at most `bend`."""

    function: Callable[[Tensor], Tensor]
    kinks: Sequence[float] = ()
    bend: Bend | None = None
    above: float = -math.inf  # it is bounded for larger numbers only
    rising: bool = False  # it nowhere falls: its values at two ends are its bounds between them

    affine: bool = field(default=False, init=False)

    def value(self, *values: Tensor) -> Tensor:
        """Return the value, (n, 1, ...), for values of n samples."""
        return self.function(values[0])

    def interval(self, *sources: Interval) -> Interval:
        """Return bounds of the value from bounds of its source."""
        if self.rising:
            return Interval(self.function(sources[0].lo), self.function(sources[0].hi)).widen()
        at = self.sample(sources[0], POINTS)
        return Interval(at.y.amin(0) - at.room, at.y.amax(0) + at.room).widen()

    def sample(self, source: Interval, points: int) -> "Sampled":
        """Return values of the curve for a source within these bounds: at kinks, at the ends and between them."""
        lo, hi = source
        lo = torch.where(lo > self.above, lo, math.nan)  # what is not a number proves nothing
        shares = torch.linspace(0, 1, points if self.bend else 2, dtype=torch.float64).tolist()
        ends = [lo.lerp(hi, share) for share in shares]
        x = torch.stack([lo.clamp_min(kink).minimum(hi) for kink in self.kinks] + ends)
        room = torch.zeros_like(lo)
        if self.bend is not None:
            room = self.bend(Interval(lo, hi)) * ((hi - lo) / (points - 1)) ** 2 / 8
        return Sampled(x, self.function(x), room)

    def relax(self, *sources: Interval) -> "CurveLines":
        """Return the lines that leave the least area for a source within these bounds."""
        few = self.sample(sources[0], FEW)
        if len(few.x) == 3:
            return CurveLines(few, *few.hull_slopes_of_three())
        return CurveLines(self.sample(sources[0], POINTS), few.hull_slope(-1), few.hull_slope(1))

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


def _leaky(call: Call) -> Curve:
    slope = float(call.constant(1, "negative_slope", 0.01))
    return Curve(partial(F.leaky_relu, negative_slope=slope), (0.0,))


def _clamp(call: Call) -> Curve | None:
    lo, hi = (call.constant(place, name, None) for place, name in ((1, "min"), (2, "max")))
    return _between(lo, hi)


def _between(lo: Any, hi: Any) -> Curve | None:
    """Return the curve of a clamp whose ends are numbers; None for others."""
    if any(isinstance(end, Tensor | Slot) for end in (lo, hi)):
        return None
    return Curve(lambda x: x.clamp(lo, hi), [float(end) for end in (lo, hi) if end is not None])


def _elu(call: Call) -> Curve:
    alpha, scale, rate = (float(call.constant(place, name, 1)) for place, name in ELU)
    bend = abs(alpha * scale * rate**2)
    return Curve(
        lambda x: scale * torch.where(x > 0, x, alpha * torch.expm1(rate * x.clamp_max(0))), (0.0,), lambda _: bend
    )


ELU = ((1, "alpha"), (2, "scale"), (3, "input_scale"))
SOFTPLUS = ((1, "beta", 1), (2, "threshold", 20))
LINEAR = 17  # from here on softplus is its argument, as near as float32 knows


def _softplus(call: Call) -> Curve | None:
    beta, threshold = (float(call.constant(place, name, default)) for place, name, default in SOFTPLUS)
    if threshold < LINEAR:
        return None  # it jumps there
    return Curve(lambda x: torch.logaddexp(beta * x, x.new_zeros(())) / beta, (), lambda _: abs(beta) / 4)


def _gelu(call: Call) -> Curve:
    kind = call.constant(1, "approximate", "none")
    return Curve(partial(F.gelu, approximate=kind), (), lambda _: 0.85)  # 0.798 and 0.80 at 0


def make_prelu(call: Call, shape: tuple[int, ...]) -> Curve | None:
    """Return the curve of a PReLU, whose slopes are those of the channels of its source, (1, channels, ...).

    None where the slopes are no constants.
    """
    if not isinstance(call.args[1], Tensor):
        return None
    slope = call.args[1].reshape(-1, *[1] * (len(shape) - 2))
    return Curve(lambda x: torch.where(x > 0, x, slope * x), (0.0,))


def _pow(call: Call) -> Curve | None:
    power = call.args[1]
    if not isinstance(power, int | float):
        return None
    if power == 2:
        return SQUARE
    return {0.5: SQRT, -1: RECIPROCAL, -0.5: RSQRT, 1: None}.get(power)


SQUARE = Curve(torch.square, (), lambda _: 2.0)
SQRT = Curve(torch.sqrt, (), lambda s: s.lo**-1.5 / 4, above=0.0)
RSQRT = Curve(torch.rsqrt, (), lambda s: 0.75 * s.lo**-2.5, above=0.0)
RECIPROCAL = Curve(torch.reciprocal, (), lambda s: 2 * s.lo**-3, above=0.0)
RELU = Curve(torch.relu, (0.0,), rising=True)

# The bounds of second derivatives are checked by tests on a grid.
CURVES: dict[str, Curve | Callable[[Call], Curve | None]] = {
    "relu": RELU,
    "relu6": lambda _: _between(0, 6),
    "abs": Curve(torch.abs, (0.0,)),
    "leaky_relu": _leaky,
    "hardtanh": lambda call: _between(call.constant(1, "min_val", -1), call.constant(2, "max_val", 1)),
    "clamp": _clamp,
    "clamp_min": lambda call: _between(call.constant(1, "min", None), None),
    "clamp_max": lambda call: _between(None, call.constant(1, "max", None)),
    "hardsigmoid": Curve(F.hardsigmoid, (-3.0, 3.0)),
    "hardswish": Curve(F.hardswish, (-3.0, 3.0), lambda _: 1 / 3),
    "sigmoid": Curve(torch.sigmoid, (), lambda _: 0.0963, rising=True),
    "log_sigmoid": Curve(F.logsigmoid, (), lambda _: 0.25),
    "tanh": Curve(torch.tanh, (), lambda _: 0.77, rising=True),
    "erf": Curve(torch.erf, (), lambda _: 0.968),
    "gelu": _gelu,
    "silu": Curve(F.silu, (), lambda _: 0.5),
    "softplus": _softplus,
    "elu": _elu,
    "exp": Curve(torch.exp, (), lambda s: s.hi.exp()),
    "log": Curve(torch.log, (), lambda s: s.lo**-2, above=0.0),
    "sin": Curve(torch.sin, (), lambda _: 1.0),
    "cos": Curve(torch.cos, (), lambda _: 1.0),
    "square": SQUARE,
    "sqrt": SQRT,
    "rsqrt": RSQRT,
    "reciprocal": RECIPROCAL,
    "pow": _pow,
}
