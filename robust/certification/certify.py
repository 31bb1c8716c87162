"""Certify samples: the cheapest method first, the dearer ones for what is left open."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat
from robust.certification.alpha import bound_by_best_lines
from robust.certification.ball import NORMS, Ball
from robust.certification.crown import bound_by_intervals, bound_by_lines
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph, read_graph
from robust.certification.slack import measure_slack
from robust.data.dataset import Samples
from robust.evaluation.time_limit import TIME
from robust.flags import Flags

METHODS = ("ibp", "crown", "alpha-crown")  # the cheapest first; a method means the best of it and of those before
ROOM = 2**22  # values of samples times rows of one batch


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proved of n samples."""

    method: str
    certified: Flags  # (n,): no input of the ball is answered wrong
    margin: NDArray[np.float32]  # (n,): a lower bound of the margin over the ball, less the slack; -inf: not asked
    by: dict[str, int]  # how many each method certified
    seconds: float
    partial: str = ""  # why it ended early; what was not asked is open


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

    def bound(self, x: Tensor, y: Tensor, method: str) -> tuple[Tensor, Tensor]:
        """Return (margins over the balls, (b,) float64, which of METHODS proved it, (b,) int64, or -1).

        x is (b, *features), y (b,) int64. A margin is a lower bound, the best of the method and of those before, less
        the slack for rounding; a sample is certified if it is above 0.
        """
        margins = torch.full((len(METHODS), len(x)), math.inf, dtype=torch.float64)
        for part in self.parts:
            slack = measure_slack(self.module, self.graph, x, part)
            for place, found in self._bound_part(x, y, part, method):
                margins[place] = torch.minimum(margins[place], found - slack)
        margins[margins.isposinf()] = -math.inf  # a method that was not asked
        proved = margins > 0
        first = torch.where(proved.any(0), proved.long().argmax(0), -1)
        return margins.amax(0), first

    def _bound_part(self, x: Tensor, y: Tensor, part: LpThreat, method: str) -> Iterator[tuple[int, Tensor]]:
        """Yield (the place of a method in METHODS, its lower bounds)."""
        ball = Ball.around(x.double(), part)
        with torch.no_grad():
            if method == "ibp":
                yield 0, bound_by_intervals(self.graph, ball).margins(y).amin(1)
                return
            bounds = bound_by_lines(self.graph, ball)
            margins = bounds.margins(y)
            yield 1, margins.amin(1)
            if method == "alpha-crown":
                yield 2, bound_by_best_lines(bounds, y, margins).amin(1)


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
    margin, by, partial = np.full(len(samples), -np.inf), np.full(len(samples), -1, np.int8), ""
    for each in dict.fromkeys((METHODS[0], method)):
        left = np.flatnonzero(correct & (by < 0))
        size = certifier.batch(each)
        for start in range(0, len(left), size):
            watch(each, start, len(left))
            if stop():
                partial = TIME
                break
            rows = left[start : start + size]
            some = samples.take(rows)
            lower, which = certifier.bound(torch.tensor(some.x[:]), torch.from_numpy(some.y), each)
            margin[rows], by[rows] = np.maximum(margin[rows], lower.numpy()), which.numpy()
    counts = {name: int((by == place).sum()) for place, name in enumerate(METHODS) if place <= METHODS.index(method)}
    return Certificate(method, by >= 0, margin.astype(np.float32), counts, time.perf_counter() - began, partial)
