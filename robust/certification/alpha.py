"""Optimised slopes (alpha-CROWN, 2011.13824): of the lines below, any slope is sound, so the best is sought."""

import torch
from torch import Tensor

from robust.certification.backward import bound_below
from robust.certification.crown import Bounds, spread_margins
from robust.certification.operators.curves import CurveLines

STEPS = 20
RATE, DECAY = 0.25, 0.9


def optimise_margins(bounds: Bounds, y: Tensor, margins: Tensor) -> Tensor:
    """Return lower bounds of the margins, (b, classes - 1), that are at least `margins`."""
    open_rows = margins.amin(1) <= 0
    if not bool(open_rows.any()):
        return margins
    graph = bounds.graph
    rows = {graph.output: spread_margins(y, graph.classes)}
    slopes = {
        position: _Slopes(lines, rows[graph.output].shape[1])
        for position, lines in bounds.lines.items()
        if isinstance(lines, CurveLines)
    }
    parameters = [each for slope in slopes.values() for each in slope.parameters]
    if not parameters:
        return margins  # there is no slope to choose
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, DECAY)
    best = margins
    for _ in range(STEPS):
        with torch.enable_grad():
            lines = bounds.lines | {position: slope.lines() for position, slope in slopes.items()}
            found = bound_below(graph, rows, bounds.ball, bounds.by_value, lines)
            grads = torch.autograd.grad(-found.sum(), parameters, allow_unused=True)
        best = torch.fmax(best, found.detach())
        if not bool((best.amin(1) <= 0).any()):
            break
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        optimiser.step()
        schedule.step()
        for slope in slopes.values():
            slope.clamp()
    return best


class _Slopes:
    """The slopes of one operator, for each row its own."""

    def __init__(self, lines: CurveLines, k: int) -> None:
        self._at = lines.at
        self._low, self._high = lines.at.slopes()
        wide = lambda each: each.expand(-1, k, *each.shape[2:]).clone().requires_grad_()  # noqa: E731
        self.parameters = [wide(lines.below), wide(lines.above)]

    def lines(self) -> CurveLines:
        """Return the lines of the present slopes."""
        return CurveLines(self._at, *self.parameters)

    def clamp(self) -> None:
        """Keep the slopes among those that a line which touches the curve may have."""
        with torch.no_grad():
            for each in self.parameters:
                each.copy_(each.maximum(self._low).minimum(self._high))
