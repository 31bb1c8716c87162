"""Optimised slopes (alpha-CROWN, 2011.13824): a line of any slope that touches its curve is sound; the best is sought.

Each function that is bounded has slopes of its own. The values of small inner layers are bounded so before the margins.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.certification.backward import Rows, bound_below
from robust.certification.crown import Bounds, bound_by_lines, spread_margins, spread_values
from robust.certification.operators.curves import CurveLines, Sampled
from robust.certification.operators.operator import flat

STEPS, INNER_STEPS = 12, 6
RATE, DECAY = 0.25, 0.9
NEAR = 0.8  # of what was missing before: where more is missing still, better inner bounds would not suffice
ROOM = 2**22  # values of the functions that bound one inner layer


def bound_by_best_lines(bounds: Bounds, y: Tensor, margins: Tensor, criterion: Criterion = CLASS) -> Tensor:
    """Return lower bounds of the margins, (b, k), with optimised slopes.

    `bounds` and `margins` are those by plain lines; it stops where all are above 0.
    """
    if bool((margins.amin(1) > 0).all()):
        return margins
    rows = spread_margins(bounds.graph, y, criterion)
    before, margins = margins.amin(1), optimise(bounds, rows, margins, STEPS)
    near = (margins.amin(1) <= 0) & (margins.amin(1) > NEAR * before)
    if not bool(near.any()):
        return margins
    inner = bound_by_lines(bounds.graph, bounds.ball, bounds, tighten_best)
    return optimise(inner, rows, torch.fmax(margins, inner.margins(y, criterion)), STEPS)


def tighten_best(found: Bounds, position: int, marks: Tensor) -> None:
    """Bound the marked values at a position, (b, 1, ...) bool, with optimised slopes, if they are few."""
    which = flat(marks, 1).any(0).nonzero().squeeze(1)
    slopes = sum(len(_find_undecided(found, at)) for at, lines in found.lines.items() if isinstance(lines, CurveLines))
    if not slopes or 2 * len(which) * len(marks) * found.graph.largest > ROOM:
        return
    rows = spread_values(found.graph, position, which)
    both = Rows({k: torch.cat([a, -a], 1) for k, a in rows.of.items()}, torch.cat([rows.constant, -rows.constant], 1))
    both = both.less(found.room(position, which).repeat(1, 2))
    lo, hi = (flat(each, 1)[:, which] for each in found.by_value[position])
    low, high = optimise(found, both, torch.cat([lo, -hi], 1), INNER_STEPS).chunk(2, 1)
    found.by_value[position] = found.by_value[position].tighten(which, low, -high)


def optimise(bounds: Bounds, rows: Rows, best: Tensor, steps: int) -> Tensor:
    """Return the best lower bounds found of affine functions, (b, k), at least `best`; stop where all are above 0."""
    free = {at: lines for at in bounds.lines if (lines := _free(bounds, at, best.shape[1])) is not None}
    slopes = [each for lines in free.values() for each in lines.slopes]
    if not slopes:
        return best
    optimiser = torch.optim.Adam(slopes, lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, DECAY)
    for _ in range(steps):
        with torch.enable_grad():
            found = bound_below(bounds.graph, rows, bounds.ball, None, bounds.lines | free, bounds.noise)
            loss = -torch.where(found.isfinite(), found, 0).sum()
        best = torch.fmax(best, found.detach())
        if bool((best > 0).all()) or not loss.requires_grad:  # no curve with slopes lies before these values
            break
        grads = torch.autograd.grad(loss, slopes, allow_unused=True)
        for slope, grad in zip(slopes, grads, strict=True):
            slope.grad = grad
        optimiser.step()
        schedule.step()
        for lines in free.values():
            lines.clamp()
    return best


def _free(bounds: Bounds, position: int, k: int) -> "FreeLines | None":
    """Return the lines of a curve with free slopes; None for other operators, and for a curve that is a line there."""
    lines = bounds.lines[position]
    if not isinstance(lines, CurveLines):
        return None
    which = _find_undecided(bounds, position)
    return FreeLines(lines, which, k) if len(which) else None


def _find_undecided(bounds: Bounds, position: int) -> Tensor:
    """Return the flat positions of the values, of any sample, around which an operator's lines are no line."""
    node = bounds.graph.nodes[position - 1]
    marks = node.operator.undecided(*(bounds.by_value[source] for source in node.sources))
    return flat(marks[0], 1).any(0).nonzero().squeeze(1)


class FreeLines:
    """Lines of one operator whose slopes are free, for each of k functions, where the curve is no line.

    The values there are at the flat positions `which`; elsewhere the lines are those of `start`, and touch.
    """

    def __init__(self, start: CurveLines, which: Tensor, k: int) -> None:
        self.which, self._shape = which, start.below.shape[2:]
        fixed = torch.ones(flat(start.below, 2).shape[2], dtype=torch.bool)
        fixed[which] = False
        lines = (start.below, start.above, start.low, start.high)
        self._below, self._above, self._low, self._high = (torch.where(fixed, flat(each, 2), 0) for each in lines)
        at = start.at
        self._at = Sampled(flat(at.x, 2)[:, :, which], flat(at.y, 2)[:, :, which], flat(at.room, 1)[:, which])
        self._ends = self._at.slopes()
        self.below, self.above = (
            flat(each, 2)[:, :, which].expand(-1, k, -1).clone().requires_grad_(self._at.turns(side))
            for each, side in ((start.below, -1), (start.above, 1))
        )
        self.slopes = [each for each in (self.below, self.above) if each.requires_grad]

    def back(self, a: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Return coefficients and constants; see `Lines`."""
        rows = flat(a, 2)
        positive = rows.clamp_min(0)
        into = torch.addcmul(rows * self._above, positive, self._below - self._above)
        constant = rows @ self._high.mT + positive @ (self._low - self._high).mT
        low, high = self._at.constants(self.below, -1), self._at.constants(self.above, 1)
        few, positive = rows[:, :, self.which], positive[:, :, self.which]
        freely = torch.addcmul(few * self.above, positive, self.below - self.above)
        constant = constant.squeeze(2) + torch.addcmul(few * high, positive, low - high).sum(2)
        into = into.index_copy(2, self.which, freely)
        return [into.reshape(*into.shape[:2], *self._shape)], constant

    def clamp(self) -> None:
        """Keep the slopes among those that a line which touches the curve may have."""
        low, high = self._ends
        with torch.no_grad():
            for each in self.slopes:
                each.copy_(each.maximum(low).minimum(high))
