"""Bounds of each value of a network: by intervals, and by lines where tighter ones matter."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robust.certification.backward import bound_below
from robust.certification.ball import Ball
from robust.certification.graph import Graph
from robust.certification.operators.operator import Interval, Lines, flat

ROOM = 2**24  # float64 values of one chunk of rows


@dataclass
class Bounds:
    """The bounds of all values of a network over the balls of b samples, and lines for a backward pass."""

    graph: Graph
    ball: Ball
    by_value: dict[int, Interval] = field(default_factory=dict)
    lines: dict[int, Lines] = field(default_factory=dict)

    def margins(self, y: Tensor) -> Tensor:
        """Return lower bounds of the label's logit less each other, (b, classes - 1), for labels y, (b,)."""
        return self.below(spread_margins(y, self.graph.classes, self.dtype))

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the logits."""
        return self.by_value[self.graph.output].lo.dtype

    def below(self, rows: Tensor) -> Tensor:
        """Return lower bounds, (b, k), of rows of coefficients times the logits, (b, k, 1, classes)."""
        return bound_below(self.graph, {self.graph.output: rows}, self.ball, self.by_value, self.lines)


def spread_margins(y: Tensor, classes: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return rows of coefficients of the logits, (b, classes - 1, 1, classes): 1 for the label, -1 for another."""
    eye = torch.eye(classes, dtype=dtype)
    others = torch.stack([torch.cat([torch.arange(k), torch.arange(k + 1, classes)]) for k in y.tolist()])
    return (eye[y].unsqueeze(1) - eye[others]).unsqueeze(2)


def bound_by_intervals(graph: Graph, ball: Ball) -> Bounds:
    """Return the bounds by intervals (IBP, 1810.12715) alone; those of an l2 ball begin at the first lines."""
    found = Bounds(graph, ball, {0: ball.box})
    for position in range(1, graph.output + 1):
        node = graph.nodes[position - 1]
        if not node.operator.affine and ball.norm == "l2":
            for source in node.sources:
                if graph.is_affine(source):
                    _tighten(found, source, torch.ones_like(found.by_value[source].lo, dtype=torch.bool))
        found.by_value[position] = node.operator.interval(*(found.by_value[source] for source in node.sources))
    return found


def bound_by_lines(graph: Graph, ball: Ball) -> Bounds:
    """Return bounds by lines, of CROWN with its own bounds of inner values, or by intervals where these are tighter."""
    found = Bounds(graph, ball, {0: ball.box})
    for position in range(1, graph.output + 1):
        node = graph.nodes[position - 1]
        sources = [found.by_value[source] for source in node.sources]
        if not node.operator.affine:
            for source, marks in zip(node.sources, node.operator.undecided(*sources), strict=True):
                if graph.is_worth(source) and bool(marks.any()):
                    _tighten(found, source, marks)
            sources = [found.by_value[source] for source in node.sources]
            found.lines[position] = node.operator.relax(*sources)
        found.by_value[position] = node.operator.interval(*sources)
    return found


def _tighten(found: Bounds, position: int, marks: Tensor) -> None:
    """Bound the marked values at a position, (b, 1, ...) bool, from behind."""
    graph, ball = found.graph, found.ball
    which = flat(marks, 1).any(0).nonzero().squeeze(1)
    lo, hi = (flat(each, 1).clone() for each in found.by_value[position])
    chunk = max(1, ROOM // (graph.largest * len(lo)))
    for some in which.split(chunk):
        rows = lo.new_zeros(1, len(some), math.prod(graph.shape_of(position)))
        rows[0, torch.arange(len(some)), some] = 1
        rows = rows.reshape(1, len(some), *graph.shape_of(position))
        low, high = (bound_below(graph, {position: sign * rows}, ball, found.by_value, found.lines) for sign in (1, -1))
        lo[:, some], hi[:, some] = torch.fmax(lo[:, some], low), torch.fmin(hi[:, some], -high)
    shape = graph.shape_of(position)
    found.by_value[position] = Interval(lo.reshape(-1, *shape), hi.reshape(-1, *shape))
