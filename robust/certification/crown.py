"""Bounds of each value of a network: by intervals, and by lines where tighter ones matter."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.certification.backward import Rows, bound_below
from robust.certification.ball import Ball
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph
from robust.certification.operators.affine import Affine
from robust.certification.operators.operator import Interval, Lines, flat

Tighten = Callable[["Bounds", int, Tensor], None]

ROOM = 2**24  # float64 values of one chunk of rows
KEPT = 2**23  # float64 values, of the rows of a layer that are the same for all samples


@dataclass
class Bounds:
    """The bounds of all values of a network over the balls of b samples, and lines for a backward pass."""

    graph: Graph
    ball: Ball
    by_value: dict[int, Interval] = field(default_factory=dict)
    lines: dict[int, Lines] = field(default_factory=dict)
    noise: dict[int, Tensor] = field(default_factory=dict)  # how far the deployed value may be rounded off
    carried: dict[int, Tensor] = field(default_factory=dict)  # the same since the last operators that are not affine

    def below(self, rows: Rows) -> Tensor:
        """Return lower bounds of affine functions of the values, (b, k)."""
        return bound_below(self.graph, rows, self.ball, self.by_value, self.lines, self.noise)

    def pass_on(self, position: int) -> Interval:
        """Return the interval of the value at a position, with room for what the deployed network rounds there."""
        node = self.graph.nodes[position - 1]
        sources = [self.by_value[source] for source in node.sources]
        bounds = node.operator.interval(*sources)
        noise = None if self.graph.live else node.noise(*sources)
        self._carry(position, noise)
        if noise is None:
            return bounds
        self.noise[position] = noise = noise.expand_as(bounds.lo)
        return Interval(bounds.lo - noise, bounds.hi + noise)

    def _carry(self, position: int, noise: Tensor | None) -> None:
        """Add what is rounded at a position to what is rounded before, back to the last operators not affine."""
        node = self.graph.nodes[position - 1]
        if not isinstance(node.operator, Affine):
            return
        found = noise
        if any(source in self.carried for source in node.sources):
            each = [self.carried.get(at, torch.zeros_like(self.by_value[at].lo)) for at in node.sources]
            before = node.operator.reach(*each)
            found = before if noise is None else before + noise
        if found is not None:
            shape = (len(self.ball.x), *node.shape)
            self.carried[position] = found.expand(shape)

    def room(self, position: int, which: Tensor) -> Tensor:
        """Return the room for what is rounded after the last operators that are not affine, (b, k), of some values."""
        carried = self.carried.get(position)
        return torch.zeros(1, len(which)) if carried is None else flat(carried, 1)[:, which]

    def margins(self, y: Tensor, criterion: Criterion = CLASS) -> Tensor:
        """Return lower bounds of the margins for labels y: of `class` the label's logit less each other, (b, C - 1)."""
        return self.below(spread_margins(self.graph, y, criterion, self.dtype))

    def finite(self) -> Tensor:
        """Mark the samples whose values are finite as deployed too, all over the ball, (b,) bool."""
        found = torch.ones(len(self.ball.x), dtype=torch.bool)
        for position, node in enumerate(self.graph.nodes, 1):
            lo, hi = (flat(each, 1) for each in self.by_value[position])
            found &= ((lo >= -node.most) & (hi <= node.most)).all(1)
        return found

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the logits."""
        return self.by_value[self.graph.output].lo.dtype


def spread_margins(graph: Graph, y: Tensor, criterion: Criterion = CLASS, dtype: torch.dtype = torch.float64) -> Rows:
    """Return the functions of the answer, (b, k), that are all above 0 if it is acceptable.

    Raise NoBoundsError for a criterion that has no such functions.
    """
    if (halfspaces := criterion.halfspaces(y, graph.classes)) is None:
        raise NoBoundsError(f"nothing linear in the answers says what is right by {criterion}")
    a, c = halfspaces
    return Rows({graph.output: a.to(dtype).unsqueeze(2)}, c.to(dtype))


def bound_by_intervals(graph: Graph, ball: Ball) -> Bounds:
    """Return the bounds by intervals (IBP, 1810.12715) alone; those of an l2 ball begin at the first lines."""
    found = Bounds(graph, ball, {0: ball.box})
    for position in range(1, graph.output + 1):
        node = graph.nodes[position - 1]
        if not node.operator.affine and ball.has_l2:
            for source in node.sources:
                if graph.is_affine(source):
                    _tighten(found, source, torch.ones_like(found.by_value[source].lo, dtype=torch.bool))
        found.by_value[position] = found.pass_on(position)
    return found


def bound_by_lines(graph: Graph, ball: Ball, known: Bounds | None = None, tighten: "Tighten | None" = None) -> Bounds:
    """Return bounds by lines, of CROWN with its own bounds of inner values, or by intervals where these are tighter.

    With bounds that are `known`, `tighten` is how those of inner values become tighter.
    """
    found, tighten = Bounds(graph, ball, {0: ball.box}), tighten or _tighten
    for position in range(1, graph.output + 1):
        node = graph.nodes[position - 1]
        sources = [found.by_value[source] for source in node.sources]
        if not node.operator.affine:
            for source, marks in zip(node.sources, node.operator.undecided(*sources), strict=True):
                if graph.is_worth(source) and bool(marks.any()):
                    tighten(found, source, marks)
            sources = [found.by_value[source] for source in node.sources]
            found.lines[position] = node.operator.relax(*sources)
        bounds = found.pass_on(position)
        found.by_value[position] = bounds.meet(known.by_value[position]) if known else bounds
    return found


def _tighten(found: Bounds, position: int, marks: Tensor) -> None:
    """Bound the marked values at a position, (b, 1, ...) bool, from behind."""
    graph = found.graph
    which = flat(marks, 1).any(0).nonzero().squeeze(1)
    known = found.by_value[position]
    chunk = max(1, ROOM // (graph.largest * len(known.lo)))
    low, high = [], []
    for some in torch.split(which, chunk):
        rows, room = spread_values(graph, position, some, known.lo.dtype), found.room(position, some)
        low.append(found.below(rows.less(room)))
        high.append(-found.below((-rows).less(room)))
    found.by_value[position] = known.tighten(which, torch.cat(low, 1), torch.cat(high, 1))


def spread_values(graph: Graph, position: int, which: Tensor, dtype: torch.dtype = torch.float64) -> Rows:
    """Return the functions that are the values at a position, those of the flat indices `which`, (k,)."""
    size = math.prod(graph.shape_of(position))
    if graph.live or not graph.is_affine(position) or size * math.prod(graph.shape) > KEPT:
        return _spread(graph, position, which, dtype)
    if position not in graph.kept:
        chunks = torch.split(torch.arange(size), max(1, ROOM // graph.largest))
        parts = [_spread(graph, position, some, dtype) for some in chunks]
        of_input = torch.cat([part.of[0] for part in parts], 1)
        graph.kept[position] = Rows({0: of_input}, torch.cat([part.constant for part in parts], 1))
    rows: Rows = graph.kept[position]
    return rows.take(which)


def _spread(graph: Graph, position: int, which: Tensor, dtype: torch.dtype) -> Rows:
    shape = graph.shape_of(position)
    one_hot = torch.zeros(1, len(which), math.prod(shape), dtype=dtype)
    one_hot[0, torch.arange(len(which)), which] = 1
    return Rows.at(position, one_hot.reshape(1, len(which), *shape)).to_curves(graph, {})
