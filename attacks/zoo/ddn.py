"""DDN, decoupled direction and norm: Rony et al. 2019 (1811.09600)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task

FIRST_STEP, LAST_STEP = 1.0, 0.01  # the step size, as a share of the width of the bounds


class DDNState(NamedTuple):
    """The state: the iterate, and the radius of the sphere that it is on."""

    x: Tensor
    logits: Tensor | None
    grad: Tensor
    radius: Tensor  # (n,)


@ATTACKS.register("ddn")
@dataclass(frozen=True, slots=True)
class DDN:
    """Take steps on a sphere around x that shrinks where the answer is wrong and grows where it is right; for l2."""

    steps: int = 100
    gamma: float = 0.05  # the share by which the radius changes in a step
    loss: str | Loss = "ce"  # ce, margin, dlr or sice
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.gamma < 1:
            raise ValueError(f"gamma must be between 0 and 1, got {self.gamma:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> DDNState:
        if task.threat.norm != "l2":
            raise ValueError(f"ddn is for l2, the threat is {task.threat.norm}; use fmn")
        logits, _, grad = task.ascent(task.x, self.loss)
        wide = task.threat.hi - task.threat.lo
        return DDNState(task.x, logits, grad, task.x.new_full((len(task.x),), wide))

    def step(self, task: Task, state: DDNState, k: int) -> DDNState:
        assert state.logits is not None
        wrong = ~task.criterion.accepts(state.logits, task.y)
        radius = torch.where(wrong, (1 - self.gamma) * state.radius, (1 + self.gamma) * state.radius)
        wide = task.threat.hi - task.threat.lo
        length = wide * (LAST_STEP + (FIRST_STEP - LAST_STEP) * (1 + math.cos(math.pi * k / self.steps)) / 2)
        d = (task.threat.step(state.x, state.grad, length) - task.x).flatten(1)
        d = d / d.norm(dim=1, keepdim=True).clamp_min(torch.finfo(d.dtype).tiny) * radius[:, None]
        x = (task.x + d.view_as(task.x)).clamp(task.threat.lo, task.threat.hi)
        if k + 1 == self.steps:
            return DDNState(x, None, state.grad, radius)
        logits, _, grad = task.ascent(x, self.loss)
        return DDNState(x, logits, grad, radius)
