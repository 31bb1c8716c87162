"""Certify samples: the cheapest method first, the dearer ones for what is left open."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat
from robust.certification.alpha import optimise_margins
from robust.certification.ball import NORMS, Ball
from robust.certification.crown import Bounds, bound_by_intervals, bound_by_lines
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph, read_graph
from robust.certification.slack import measure_slack
from robust.data.dataset import Samples
from robust.flags import Flags
from robust.records.certificate import Certificate

METHODS = ("ibp", "crown", "alpha-crown")  # the cheapest first; a method means the best of it and of those before
ROOM = 2**22  # values of samples times rows of one batch


@dataclass(frozen=True, slots=True)
class Certifier:
    """The bounds of one network for one threat model."""

    module: nn.Module
    graph: Graph
    parts: tuple[LpThreat, ...]  # a union is certified where each part is

    @classmethod
    def of(cls, module: nn.Module, x: Tensor, threat: Threat) -> "Certifier":
        """Make it for inputs like x, (1, *features).

        Raise NoBoundsError, in one line, for a network or a threat model without bounds.
        """
        for part in threat.parts:
            if part.norm not in NORMS:
                raise NoBoundsError(f"no bounds are known for {part}; certificates are for {' and '.join(NORMS)}")
        return cls(module, read_graph(module, x), threat.parts)

    def batch(self, method: str) -> int:
        """Return how many samples to bound at once."""
        if method == "ibp":
            return max(1, min(128, ROOM // self.graph.largest))
        return max(1, min(32, ROOM // (self.graph.largest * self.graph.bounded)))

    def bound(self, x: Tensor, y: Tensor, method: str) -> Tensor:
        """Return lower bounds of the margins over the balls, less the slack, (b,) float64: certified above 0.

        x is (b, *features), y (b,) int64. They are of the best of the method and of those before.
        """
        found = [
            self._bound_part(x, y, part, method) - measure_slack(self.module, self.graph, x, part)
            for part in self.parts
        ]
        return torch.stack(found).amin(0)

    def _bound_part(self, x: Tensor, y: Tensor, part: LpThreat, method: str) -> Tensor:
        ball = Ball.around(x.double(), part)
        make: Callable[[Graph, Ball], Bounds] = bound_by_intervals if method == "ibp" else bound_by_lines
        with torch.no_grad():
            bounds = make(self.graph, ball)
            margins = bounds.margins(y)
        if method == "alpha-crown":
            margins = optimise_margins(bounds, y, margins)
        return margins.amin(1)


def certify(
    certifier: Certifier,
    samples: Samples,
    correct: Flags,
    method: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[str, int, int], None] = lambda method, done, of: None,
) -> Certificate:
    """Certify those of n samples that are marked `correct`, (n,), by a method of METHODS and those before it.

    `stop` is asked before each batch; `watch` is told the method, how many samples it has bounded, and of how many.
    """
    began = time.perf_counter()
    margin = np.full(len(samples), -np.inf)
    by, partial = {}, ""
    for each in METHODS[: METHODS.index(method) + 1]:
        left = np.flatnonzero(correct & ~(margin > 0))
        size = certifier.batch(each)
        for start in range(0, len(left), size):
            watch(each, start, len(left))
            if stop():
                partial = "time"
                break
            rows = left[start : start + size]
            some = samples.take(rows)
            found = certifier.bound(torch.tensor(some.x[:]), torch.from_numpy(some.y), each)
            margin[rows] = np.maximum(margin[rows], found.numpy())
        by[each] = int((margin[left] > 0).sum())
    lower = margin.astype(np.float32)
    return Certificate(method, lower > 0, lower, by, time.perf_counter() - began, partial)
