"""FMN, fast minimum-norm attack: Pintor et al. 2021 (2102.12827)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

LONGEST, SHORTEST = 1.0, 0.01  # of the box's width: the step size, at first and at last
GAMMA_LAST = 0.001


class FMNState(NamedTuple):
    """The state: the iterate, and the radius of the ball that it must stay in."""

    x: Tensor
    logits: Tensor | None
    loss: Tensor  # (n,): the margin at x
    grad: Tensor
    radius: Tensor  # (n,)
    best: Tensor  # (n,): the distance of the nearest wrong answer so far, inf where there is none


@ATTACKS.register("fmn")
@dataclass(frozen=True, slots=True)
class FMN:
    """Ascent of the margin in a ball that adapts: to the estimated boundary, then ever more finely around it."""

    steps: int = 100
    gamma: float = 0.05  # by what share the radius changes in a step, at first

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.gamma < 1:
            raise ValueError(f"gamma must be between 0 and 1, got {self.gamma:g}")

    def init(self, task: Task) -> FMNState:
        logits, loss, grad = task.ascent(task.x, "margin")
        never = torch.full_like(loss, torch.inf)
        return FMNState(task.x, logits, loss, grad, never, never)

    def step(self, task: Task, state: FMNState, k: int) -> FMNState:
        falling = (1 + math.cos(math.pi * k / self.steps)) / 2
        gamma = GAMMA_LAST + (self.gamma - GAMMA_LAST) * falling
        radius, best = self._radius(task, state, gamma)
        length = (task.threat.hi - task.threat.lo) * (SHORTEST + (LONGEST - SHORTEST) * falling)
        flat = state.grad.flatten(1)
        unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        x = task.threat.shrink(state.x + length * unit.view_as(state.x), task.x, radius)
        if k + 1 == self.steps:
            return state._replace(x=x, logits=None)
        logits, loss, grad = task.ascent(x, "margin")
        return FMNState(x, logits, loss, grad, radius, best)

    def _radius(self, task: Task, state: FMNState, gamma: float) -> tuple[Tensor, Tensor]:
        """(radius, best): within the best where the answer is wrong; else wider, or where the boundary must be."""
        size = task.threat.size(state.x, task.x)
        wrong = state.loss > 0
        best = torch.where(wrong, torch.minimum(size, state.best), state.best)
        steep = task.threat.dual(state.grad).clamp_min(torch.finfo(size.dtype).tiny)
        estimate = size - state.loss / steep  # the loss is below 0 there
        # Where the box cuts an iterate short, size is below the radius, and the estimate alone may never grow.
        estimate = torch.where(state.radius.isfinite(), torch.maximum(estimate, state.radius), estimate)
        grown = torch.where(best.isfinite(), state.radius, estimate) * (1 + gamma)
        shrunk = torch.minimum(state.radius, best) * (1 - gamma)
        return torch.where(wrong, shrunk, grown), best
