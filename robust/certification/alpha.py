"""Optimised slopes (alpha-CROWN, 2011.13824): a line of any slope that touches its curve is sound; the best is sought.

Each function that is bounded has slopes of its own. The values of small inner layers are bounded so before the margins.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust.certification.backward import Rows, bound_below
from robust.certification.crown import Bounds, bound_by_lines, spread_margins, spread_values
from robust.certification.operators.curves import CurveLines
from robust.certification.operators.operator import Interval, flat

STEPS, INNER_STEPS = 20, 10
RATE, DECAY = 0.25, 0.9
ROOM = 2**22  # slopes of one layer's values


def bound_by_best_lines(bounds: Bounds, y: Tensor, margins: Tensor) -> Tensor:
    """Return lower bounds of the margins, (b, classes - 1), with optimised slopes.

    `bounds` and `margins` are those by plain lines; it stops where all are above 0.
    """
    if bool((margins.amin(1) > 0).all()):
        return margins
    rows = Rows.at(bounds.graph.output, spread_margins(y, bounds.graph.classes))
    margins = optimise(bounds, rows, margins, STEPS)
    if bool((margins.amin(1) > 0).all()):
        return margins
    inner = bound_by_lines(bounds.graph, bounds.ball, bounds, tighten_best)
    return optimise(inner, rows, torch.fmax(margins, inner.margins(y)), STEPS)


def tighten_best(found: Bounds, position: int, marks: Tensor) -> None:
    """Bound the marked values at a position, (b, 1, ...) bool, with optimised slopes, if they are few."""
    which = flat(marks, 1).any(0).nonzero().squeeze(1)
    slopes = sum(lines.low[:, 0].numel() for lines in found.lines.values() if isinstance(lines, CurveLines))
    if not slopes or 2 * len(which) * slopes > ROOM:
        return
    rows = spread_values(found.graph, position, which)
    both = Rows({k: torch.cat([a, -a], 1) for k, a in rows.of.items()}, torch.cat([rows.constant, -rows.constant], 1))
    lo, hi = (flat(each, 1).clone() for each in found.by_value[position])
    known = torch.cat([lo[:, which], -hi[:, which]], 1)
    low, high = optimise(found, both, known, INNER_STEPS).chunk(2, 1)
    lo[:, which], hi[:, which] = low, -high
    shape = found.graph.shape_of(position)
    found.by_value[position] = Interval(lo.reshape(-1, *shape), hi.reshape(-1, *shape))


def optimise(bounds: Bounds, rows: Rows, best: Tensor, steps: int) -> Tensor:
    """Return the best lower bounds found of affine functions, (b, k), at least `best`; stop where all are above 0."""
    k = best.shape[1]
    slopes = {at: Slopes.of(lines, k) for at, lines in bounds.lines.items() if isinstance(lines, CurveLines)}
    if not slopes:
        return best
    parameters = [each for slope in slopes.values() for each in (slope.below, slope.above)]
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, DECAY)
    for _ in range(steps):
        with torch.enable_grad():
            lines = bounds.lines | {position: slope.lines() for position, slope in slopes.items()}
            found = bound_below(bounds.graph, rows, bounds.ball, bounds.by_value, lines)
            loss = -torch.where(found.isfinite(), found, 0).sum()
            grads = torch.autograd.grad(loss, parameters, allow_unused=True)
        best = torch.fmax(best, found.detach())
        if bool((best > 0).all()):
            break
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        optimiser.step()
        schedule.step()
        for slope in slopes.values():
            slope.clamp()
    return best


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slopes of one operator, for each of k functions its own, (b, k, 1, ...)."""

    start: CurveLines
    below: Tensor
    above: Tensor

    @classmethod
    def of(cls, lines: CurveLines, k: int) -> "Slopes":
        """Return slopes that begin as those of `lines`."""
        below, above = (
            each.expand(-1, k, *each.shape[2:]).clone().requires_grad_() for each in (lines.below, lines.above)
        )
        return cls(lines, below, above)

    def lines(self) -> CurveLines:
        """Return the lines of the present slopes."""
        return CurveLines(self.start.at, self.below, self.above)

    def clamp(self) -> None:
        """Keep the slopes among those that a line which touches the curve may have."""
        low, high = self.start.at.slopes()
        with torch.no_grad():
            for each in (self.below, self.above):
                each.copy_(each.maximum(low).minimum(high))
