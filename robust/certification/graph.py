"""A network as a list of operators in the order of their evaluation.

It is that of one sample, so that a value has the shape (1, ...); several samples are a further dimension before.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robust.certification.operators.curves import Curve
from robust.certification.operators.operator import Interval, Operator

DOUBLE = 2.0**-53  # the unit of float64, in which the bounds themselves are computed


@dataclass(frozen=True, slots=True)
class Node:
    """An operator with its constants: a function of the values of the nodes `sources`."""

    operator: Operator
    sources: tuple[int, ...]  # positions in the graph, each before the node's own
    shape: tuple[int, ...]  # of its value, (1, ...)
    most: float = math.inf  # the largest number of its type in the deployed network, which is infinite beyond
    unit: float = 0.0  # the largest relative error of one rounding there; 0 where it is not bounded
    least: float = 0.0  # its smallest normal number: a smaller one may be lost

    def noise(self, *sources: Interval) -> Tensor | None:
        """Return how far the deployed value is off the operator's, for deployed values of the sources.

        It is (b, 1, ...), or what expands to that; None if it is not off, or by how much is not known.
        """
        n, size = self.operator.rounding(*sources)
        if not n or not self.unit:
            return None
        size = torch.as_tensor(size, dtype=torch.float64)
        share = n * (self.unit + DOUBLE)  # in any order: Higham 2002, 3.1
        found = size * (share / (1 - share) if share < 1 / 2 else math.inf) + n * self.least
        return torch.where(size <= self.most, found, math.inf)  # beyond, a part of the sum may be infinite


@dataclass(frozen=True)
class Graph:
    """The nodes of a network; the first is the input, the last the logits, (1, classes)."""

    shape: tuple[int, ...]  # of the input, (1, *features)
    live: bool = False  # its constants are a module's parameters, which change
    nodes: list[Node] = field(default_factory=list)  # node i has the position i + 1
    kept: dict[int, Any] = field(default_factory=dict)  # what callers keep of a graph that is not live, by position

    @property
    def output(self) -> int:
        """Return the position of the logits."""
        return len(self.nodes)

    def shape_of(self, position: int) -> tuple[int, ...]:
        """Return the shape of the value at a position, (1, ...)."""
        return self.nodes[position - 1].shape if position else self.shape

    @cached_property
    def largest(self) -> int:
        """Return the number of values of the largest node."""
        return max(math.prod(shape) for shape in (self.shape, *(node.shape for node in self.nodes)))

    @cached_property
    def bounded(self) -> int:
        """Return the number of values, of the operator with the most, that lines bound for it."""
        sources = [source for node in self.nodes if not node.operator.affine for source in node.sources]
        return max([math.prod(self.shape_of(source)) for source in sources if self.is_worth(source)], default=1)

    def is_affine(self, position: int) -> bool:
        """Whether the value at a position is an affine function of the input."""
        return position in self._affine

    @cached_property
    def _affine(self) -> set[int]:
        found = {0}
        for position, node in enumerate(self.nodes, 1):
            if node.operator.affine and found.issuperset(node.sources):
                found.add(position)
        return found

    def is_worth(self, position: int) -> bool:
        """Whether lines can bound the value better than its sources' bounds do: not where one number decides it."""
        return position > 0 and not isinstance(self.nodes[position - 1].operator, Curve)

    @property
    def classes(self) -> int:
        """Return the number of logits."""
        return self.shape_of(self.output)[1]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits, (n, classes), for x, (n, *features), in float64 for a graph whose constants are."""
        values = [x.unsqueeze(1)]
        for node in self.nodes:
            values.append(node.operator.value(*(values[source] for source in node.sources)))
        return values[-1].squeeze(1)
