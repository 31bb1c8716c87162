"""Bounds by lines (CROWN, 1811.00866): backward, affine functions of later values become ones of earlier values.

On the way, before each operator that is not affine, the bound is also read from the intervals of the values there; the
best of all is kept, so that no bound is worse than the one by intervals.
"""

import heapq
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from robust.certification.ball import Ball
from robust.certification.graph import Graph
from robust.certification.interrupt import check_stopped
from robust.certification.operators.operator import Interval, Lines, flat

Rows = dict[int, Tensor]  # coefficients, (b, k, 1, ...), by the position of the value


def bound_below(
    graph: Graph, rows: Rows, ball: Ball, bounds: Mapping[int, Interval], lines: Mapping[int, Lines]
) -> Tensor:
    """Return a lower bound of the sum of rows times values over the ball, (b, k).

    `bounds` are those of each value; `lines` those of the operators by position. Without lines of an operator the bound
    ends at it, and is that of the intervals there.
    """
    frontier, constant = dict(rows), torch.zeros(())
    best = torch.tensor(-math.inf)
    waiting = [-position for position in frontier]
    heapq.heapify(waiting)
    while position := -heapq.heappop(waiting):
        check_stopped()
        node = graph.nodes[position - 1]
        a = frontier.pop(position)
        if not node.operator.affine:
            here = constant + _read(frontier | {position: a}, bounds)
            best = torch.fmax(best, here)
            if position not in lines:
                return best.nan_to_num(-math.inf, posinf=-math.inf)
        coefficients, added = (node.operator if node.operator.affine else lines[position]).back(a)
        constant = constant + added
        for source, part in zip(node.sources, coefficients, strict=True):
            if source not in frontier:
                heapq.heappush(waiting, -source)
            frontier[source] = frontier[source] + part if source in frontier else part
        if not waiting:
            break
    best = torch.fmax(best, constant + ball.least(frontier[0]))
    return best.nan_to_num(-math.inf, posinf=-math.inf)


def _read(frontier: Rows, bounds: Mapping[int, Interval]) -> Tensor:
    """Return the least sum of rows times values by the values' intervals, (b, k)."""
    total = torch.zeros(())
    for position, a in frontier.items():
        lo, hi = (flat(each, 1).unsqueeze(2) for each in bounds[position])
        of_values = flat(a, 2)
        total = total + ((of_values @ ((lo + hi) / 2)) - of_values.abs() @ ((hi - lo) / 2)).squeeze(2)
    return total
