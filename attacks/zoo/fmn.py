"""FMN, fast minimum-norm attack: Pintor et al. 2021 (2102.12827)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.threats.balls import Balls

FIRST_STEP, LAST_STEP = 1.0, 0.01  # the step size, as a share of the width of the bounds
LAST_GAMMA = 0.001


class FMNState(NamedTuple):
    """The state: the iterate, and the radius of the ball in which it must stay."""

    x: Tensor
    logits: Tensor | None
    loss: Tensor  # (n,): the margin at x
    grad: Tensor
    radius: Tensor  # (n,)
    best: Tensor  # (n,): the smallest distance of a wrong answer so far; inf if there is none


@ATTACKS.register("fmn")
@dataclass(frozen=True, slots=True)
class FMN:
    """Ascend the margin in a ball whose radius adapts: to the estimated boundary, then ever more finely around it."""

    steps: int = 100
    gamma: float = 0.05  # the share by which the radius changes in the first step
    maps: ClassVar[dict[str, str]] = {"linf": ""}
    stops: ClassVar[bool] = True  # at the boundary: a worse score is sought again

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.gamma < 1:
            raise ValueError(f"gamma must be between 0 and 1, got {self.gamma:g}")

    def init(self, task: Task) -> FMNState:
        logits, loss, grad = task.ascent(task.x, "margin")
        never = torch.full_like(loss, torch.inf)
        return FMNState(task.x, logits, loss, grad, never, never)

    def step(self, task: Task, state: FMNState, k: int) -> FMNState:
        decay = (1 + math.cos(math.pi * k / self.steps)) / 2
        gamma = LAST_GAMMA + (self.gamma - LAST_GAMMA) * decay
        radius, best = self._radius(task, state, gamma)
        length = (task.threat.hi - task.threat.lo) * (LAST_STEP + (FIRST_STEP - LAST_STEP) * decay)
        flat = state.grad.flatten(1)
        unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        x = task.threat.shrink(state.x + length * unit.view_as(state.x), task.x, _within(task, radius))
        if k + 1 == self.steps:
            return state._replace(x=x, logits=None)
        logits, loss, grad = task.ascent(x, "margin")
        return FMNState(x, logits, loss, grad, radius, best)

    def _radius(self, task: Task, state: FMNState, gamma: float) -> tuple[Tensor, Tensor]:
        """Return (radius, best): a radius below the best where the answer is wrong, else a wider or estimated one."""
        size = task.threat.size(state.x, task.x)
        wrong = state.loss > 0
        best = torch.where(wrong, torch.minimum(size, state.best), state.best)
        steep = task.threat.dual(state.grad).clamp_min(torch.finfo(size.dtype).tiny)
        estimate = size - state.loss / steep  # the loss is below 0 there
        # If the box stops an iterate, size is below the radius, and the estimate alone might never grow.
        estimate = torch.where(state.radius.isfinite(), torch.maximum(estimate, state.radius), estimate)
        grown = torch.where(best.isfinite(), state.radius, estimate) * (1 + gamma)
        shrunk = torch.minimum(state.radius, best) * (1 - gamma)
        return torch.where(wrong, shrunk, grown), best


def _within(task: Task, radius: Tensor) -> Tensor:
    """Return the radius, (n,), under linf at most that of the ball, which is a box as the bounds are.

    Elsewhere the way along the bounds may lead around, and so it may to a smaller one of balls of known distances.
    """
    limited = task.threat.norm == "linf" and not isinstance(task.threat, Balls)
    return radius.clamp_max(task.threat.reach(task.x)) if limited else radius
