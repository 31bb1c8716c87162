"""Descent: from an adversarial input to a nearer one. It refines what other attacks have found."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.task import Task

MOMENTUM = 0.75  # an average of gradients points along the edge of two linear pieces, between which single ones jump


class DescentState(NamedTuple):
    """The state: the iterate, and the radius of the ball in which it must stay."""

    x: Tensor
    logits: Tensor
    loss: Tensor  # (n,): the margin at x
    grad: Tensor
    mean: Tensor  # the average of the gradients so far, each of length 1
    radius: Tensor  # (n,); at first inf
    best: Tensor  # (n,): the smallest distance of a wrong answer so far; inf if there is none


@dataclass(frozen=True, slots=True)
class Descent:
    """Ascend the margin in a ball that shrinks where the answer is wrong and grows where it is right, ever more finely.

    As DDN (1811.09600) and FMN (2102.12827), for every norm, but from `task.origin`, and with steps that are shares of
    the distance: they shrink geometrically from `first` to `last`. In Euclidean steps it comes to the smallest distance
    of piecewise linear models, in the steepest steps of the norm it comes near faster.
    """

    steps: int
    first: float = 0.3
    last: float = 1e-3
    shrink: tuple[float, float] = (0.02, 1e-4)  # the share by which the radius changes, in the first and the last step
    walk: Literal["steepest", "euclidean"] = "steepest"

    def init(self, task: Task) -> DescentState:
        x = task.x if task.origin is None else task.origin
        logits, loss, grad = task.ascent(x, "margin")
        never = torch.full_like(loss, torch.inf)
        return DescentState(x, logits, loss, grad, _unit(grad), never, never)

    def step(self, task: Task, state: DescentState, k: int) -> DescentState:
        share = k / max(1, self.steps - 1)
        radius, best = self._radius(task, state, _between(*self.shrink, share))
        x = self._move(task, state, radius, _between(self.first, self.last, share))
        x = task.threat.shrink(x, task.x, radius)
        logits, loss, grad = task.ascent(x, "margin")
        mean = state.mean.lerp(_unit(grad), 1 - MOMENTUM)
        return DescentState(x, logits, loss, grad, mean, radius, best)

    def _radius(self, task: Task, state: DescentState, change: float) -> tuple[Tensor, Tensor]:
        """Return (radius, best): below the best distance where the answer is wrong, else wider, or estimated."""
        size = task.threat.size(state.x, task.x)
        wrong = state.loss > 0
        best = torch.where(wrong, torch.minimum(size, state.best), state.best)
        steep = task.threat.dual(state.grad).clamp_min(torch.finfo(size.dtype).tiny)
        estimate = size - state.loss / steep  # the loss is below 0 where it counts
        estimate = torch.where(state.radius.isfinite(), torch.maximum(estimate, state.radius), estimate)
        grown = torch.where(best.isfinite(), state.radius, estimate) * (1 + change)
        grown = torch.minimum(grown, best * (1 - change / 4))
        shrunk = torch.minimum(state.radius, best) * (1 - change)
        return torch.where(wrong, shrunk, grown).clamp_max(float(task.threat.eps)), best

    def _move(self, task: Task, state: DescentState, radius: Tensor, share: float) -> Tensor:
        """Return the iterate after a step of that share of the distance."""
        if self.walk == "steepest":
            return task.threat.step(state.x, state.grad, share * radius)
        length = (state.x - task.x).flatten(1).norm(dim=1)
        features = state.x[0].numel()
        widest = radius * (features**0.5 if task.threat.norm == "linf" else 1.0)
        length = torch.where(length > 0, torch.minimum(length, widest), widest)
        return state.x + per_sample(share * length, state.x) * _unit(state.mean)


def _unit(grad: Tensor) -> Tensor:
    """Return each gradient at length 1."""
    length = grad.flatten(1).norm(dim=1).clamp_min(torch.finfo(grad.dtype).tiny)
    return grad / per_sample(length, grad)


def _between(first: float, last: float, share: float) -> float:
    """Return the value at a share of the way from the first to the last, on a logarithmic scale."""
    return float(first * (last / first) ** share)
