"""Training by bounds: the loss at the worst logits that bounds over the ball leave possible.

The bounds are those of the deployed network: batch norm with its running statistics, which the clean pass of each step
moves, and no dropout. They are of the parameters themselves, so that their gradients reach these.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor, nn

from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.certification.backward import Rows
from robust.certification.ball import Ball
from robust.certification.crown import Bounds, bound_by_intervals
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph
from robust.certification.operators.operator import Lines
from robust.certification.read import read_graph
from robust.train.recipe import LossFunction

# (bounds by intervals, labels, the share of eps that is reached) -> the worst logits less the label's, (n, classes)
Worst = Callable[[Bounds, Tensor, float], Tensor]


class Ramp(Protocol):
    """The options of how eps grows from 0 to its full size, and the clean loss's share falls from 1 to kappa."""

    @property
    def kappa(self) -> float: ...

    @property
    def ramp_start(self) -> float: ...

    @property
    def ramp_end(self) -> float: ...


def check_ramp(ramp: Ramp) -> None:
    """Raise ValueError, in one line, for options that are no ramp."""
    if not 0 <= ramp.kappa < 1:
        raise ValueError(f"kappa, the clean loss's share, must be from 0 to below 1, got {ramp.kappa:g}")
    if not 0 <= ramp.ramp_start < ramp.ramp_end <= 1:
        at = f"{ramp.ramp_start:g} and {ramp.ramp_end:g}"
        raise ValueError(f"ramp_start must be below ramp_end, both shares of the training from 0 to 1, got {at}")


def check_bounds(module: nn.Module, x: Tensor, threat: LpThreat) -> None:
    """Raise ValueError, in one line, for a module or a threat model that has no bounds to train by."""
    if threat.norm != "linf":
        raise ValueError(f"trains by bounds for linf, got {threat}; take a recipe without bounds, as pgd-at")
    try:
        bounds = bound_by_intervals(read_graph(module, x, live=True), Ball.around(x, threat))
    except NoBoundsError as error:
        raise ValueError(f"cannot be certified: {error}; take a recipe without bounds, as pgd-at") from error
    learning = [p for p in module.parameters() if p.requires_grad]
    logits = bounds.by_value[bounds.graph.output].lo.sum()
    if not any(grad is not None for grad in torch.autograd.grad(logits, learning, allow_unused=True)):
        raise ValueError("its bounds depend on no parameter that is not frozen; take a recipe without bounds")


class BoundRun:
    """A run that lowers a mix of the clean loss and the loss at the worst logits."""

    def __init__(self, module: nn.Module, ramp: Ramp, worst: Worst) -> None:
        self._module, self._ramp, self._worst = module, ramp, worst
        self._graph: Graph | None = None
        self._risen = 1.0  # the share of eps that is reached

    def reach(self, share: float) -> None:
        start, end = self._ramp.ramp_start, self._ramp.ramp_end
        self._risen = min(max((share - start) / (end - start), 0.0), 1.0)

    def inputs(self, task: Task) -> Tensor:
        return task.x

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        clean = criterion(task.model(x), task.y)
        if self._risen == 0:
            return clean
        if self._graph is None:
            self._graph = read_graph(self._module, x[:1], live=True)
        threat = replace(task.threat, eps=task.threat.eps * Fraction(self._risen))
        with torch.autocast(x.device.type, enabled=False):  # bounds of 8 bits would be those of their rounding
            bounds = bound_by_intervals(self._graph, Ball.around(x, threat))
            worst = criterion(self._worst(bounds, task.y, self._risen), task.y)
        return clean.lerp(worst, self._risen * (1 - self._ramp.kappa))


def bound_logits(bounds: Bounds, y: Tensor) -> Tensor:
    """Return upper bounds of each logit less the label's, (n, classes), 0 for the label itself."""
    return -bounds.below(Rows.at(bounds.graph.output, _rows(bounds, y)))


def bound_rivals(bounds: Bounds, y: Tensor, logits: Tensor, rivals: int) -> Tensor:
    """Return `logits`, bounds as those of `bound_logits`, with those of the largest of each sample by lines."""
    graph = bounds.graph
    lines: dict[int, Lines] = {
        position: node.operator.relax(*(bounds.by_value[source] for source in node.sources))
        for position, node in enumerate(graph.nodes, 1)
        if not node.operator.affine
    }
    others = logits.detach().scatter(1, y[:, None], -math.inf)
    which = others.topk(min(rivals, graph.classes - 1), 1).indices
    rows = _rows(bounds, y).gather(1, which[:, :, None, None].expand(-1, -1, 1, graph.classes))
    return logits.scatter(1, which, -replace(bounds, lines=lines).below(Rows.at(graph.output, rows)))


def _rows(bounds: Bounds, y: Tensor) -> Tensor:
    """Return coefficients of the logits, (n, classes, 1, classes): 1 for the label, -1 for each class."""
    eye = torch.eye(bounds.graph.classes, device=y.device, dtype=bounds.dtype)
    return (eye[y].unsqueeze(1) - eye).unsqueeze(2)
