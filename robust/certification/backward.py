"""Bounds by lines (CROWN, 1811.00866): backward, affine functions of later values become ones of earlier values.

On the way, before each operator that is not affine, the bound is also read from the intervals of the values there; the
best of all is kept, so that no bound is worse than the one by intervals.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robust.certification.ball import Ball
from robust.certification.graph import Graph
from robust.certification.interrupt import check_stopped
from robust.certification.operators.operator import Interval, Lines, flat


@dataclass(frozen=True, slots=True)
class Rows:
    """k affine functions of the values of a network for each of b samples (1 if they are the same for all)."""

    of: dict[int, Tensor]  # coefficients, (b, k, 1, ...), by the position of the value
    constant: Tensor  # (b, k)

    @classmethod
    def at(cls, position: int, coefficients: Tensor) -> "Rows":
        """Return functions of one value, with coefficients (b, k, 1, ...)."""
        return cls({position: coefficients}, coefficients.new_zeros(coefficients.shape[:2]))

    def take(self, which: Tensor) -> "Rows":
        """Return the functions with these numbers, (k,) int64."""
        return Rows({position: a[:, which] for position, a in self.of.items()}, self.constant[:, which])

    def __neg__(self) -> "Rows":
        """Return the functions with the other sign."""
        return Rows({position: -a for position, a in self.of.items()}, -self.constant)

    def less(self, room: Tensor) -> "Rows":
        """Return the functions lower by so much, (b, k)."""
        return Rows(self.of, self.constant - room)

    def through(self, graph: Graph, lines: Mapping[int, Lines], noise: Mapping[int, Tensor]) -> "Rows":
        """Return functions, of the sources of the last value, that are nowhere above these."""
        check_stopped()
        position = max(self.of)
        node = graph.nodes[position - 1]
        around = node.operator.relax() if node.operator.affine else lines[position]
        parts, added = around.back(self.of[position])
        of = {other: a for other, a in self.of.items() if other != position}
        for source, part in zip(node.sources, parts, strict=True):
            of[source] = of[source] + part if source in of else part
        if position in noise:
            added = added - (flat(self.of[position].abs(), 2) @ flat(noise[position], 1).unsqueeze(2)).squeeze(2)
        return Rows(of, self.constant + added)

    def to_curves(self, graph: Graph, noise: Mapping[int, Tensor]) -> "Rows":
        """Return the same functions, of the values behind all operators that are affine and nearer."""
        rows = self
        while (position := max(rows.of)) and graph.nodes[position - 1].operator.affine:
            rows = rows.through(graph, {}, noise)
        return rows

    def read(self, bounds: Mapping[int, Interval]) -> Tensor:
        """Return the least value of each function for values within `bounds`, (b, k)."""
        total = self.constant
        for position, a in self.of.items():
            lo, hi = (flat(each, 1).unsqueeze(2) for each in bounds[position])
            total = total + (flat(a, 2) @ hi - flat(a, 2).clamp_min(0) @ (hi - lo)).squeeze(2)
        return total


def bound_below(
    graph: Graph,
    rows: Rows,
    ball: Ball,
    bounds: Mapping[int, Interval] | None,
    lines: Mapping[int, Lines],
    noise: Mapping[int, Tensor],
) -> Tensor:
    """Return the best lower bound found of each function over the ball, (b, k); -inf for none.

    `bounds` are those of each value; `lines` those of the operators by position. Without lines of an operator the bound
    ends at it, and is that of the intervals there. Without bounds of values it is that at the inputs alone.
    `noise` is how far each value may be rounded off, (b, 1, ...).
    """
    best = torch.tensor(-math.inf)
    rows = rows.to_curves(graph, noise)
    while position := max(rows.of):
        if bounds is not None:
            best = torch.fmax(best, rows.read(bounds))
        if position not in lines:
            break
        rows = rows.through(graph, lines, noise).to_curves(graph, noise)
    else:
        best = torch.fmax(best, rows.constant + ball.least(rows.of[0]))
    return best.nan_to_num(-math.inf, posinf=-math.inf, neginf=-math.inf)
