"""DeepFool: to the boundary as it would lie if the model were linear (Moosavi-Dezfooli et al. 2016, 1511.04599)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.zoo._boundary import nearest_boundary

OVER_BOUNDARY = 1e-4  # logits: a step aims so far over the boundary, for it would end just before it


class DeepFoolState(NamedTuple):
    """The state: the iterate, and the sum of the steps that led to it."""

    x: Tensor
    logits: Tensor
    total: Tensor  # (n, *features)
    done: Tensor  # (n,) bool: beyond the boundary, or out of the ball


@ATTACKS.register("deepfool")
@dataclass(frozen=True, slots=True)
class DeepFool:
    """Take the shortest steps, in the norm of the threat, over the nearest linearised boundary to another class."""

    steps: int = 50
    overshoot: float = 0.02  # how much longer the perturbation is made, as a share
    candidates: int = 9  # how many other classes, by their logits, are considered; each costs a gradient
    maps: ClassVar[dict[str, str]] = {"linf": ""}
    stops: ClassVar[bool] = True  # at the boundary: a worse score is sought again

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if self.overshoot < 0:
            raise ValueError(f"overshoot must be 0 or above, got {self.overshoot:g}")
        check_at_least_1("candidates", self.candidates)

    def init(self, task: Task) -> DeepFoolState:
        logits = task.logits(task.x)
        return DeepFoolState(task.x, logits, torch.zeros_like(task.x), ~task.criterion.accepts(logits, task.y))

    def step(self, task: Task, state: DeepFoolState, k: int) -> DeepFoolState:
        gap, slope = nearest_boundary(task, state.x, state.logits, self.candidates)
        steep = task.threat.dual(slope)
        length = torch.where(steep > 0, (gap.clamp_min(0) + OVER_BOUNDARY) / steep, torch.zeros_like(gap))
        total = state.total + task.threat.step(state.x, slope, length) - state.x
        # The overshoot may lead out of the ball, where nothing is admitted; a total that does comes back no more.
        x = task.threat.project(task.x + (1 + self.overshoot) * total, task.x)
        answer = task.logits(x)
        beyond = task.threat.size(task.x + total, task.x) > float(task.threat.eps)
        return DeepFoolState(x, answer, total, ~task.criterion.accepts(answer, task.y) | beyond)
