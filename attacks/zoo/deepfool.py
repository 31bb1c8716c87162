"""DeepFool: to the boundary as it would lie if the model were linear (Moosavi-Dezfooli et al. 2016, 1511.04599)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.catalogue import ATTACKS
from robust.attacks.task import Task

BEYOND = 1e-4  # of a logit: how far over the boundary a step aims, which alone would leave it on this side


class Walk(NamedTuple):
    """The state: the iterate, and the sum of the steps that led to it."""

    x: Tensor
    logits: Tensor
    total: Tensor  # (n, *features)
    done: Tensor  # (n,) bool: over the boundary


@ATTACKS.register("deepfool")
@dataclass(frozen=True, slots=True)
class DeepFool:
    """The shortest step, in the norm of the threat model, over the nearest of the classes' linearised boundaries."""

    steps: int = 50
    overshoot: float = 0.02  # of the whole way: how much farther the iterate is put
    candidates: int = 10  # how many classes, the likeliest, are looked at; each costs a gradient

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.overshoot < 0:
            raise ValueError(f"overshoot must be 0 or above, got {self.overshoot:g}")
        if self.candidates < 2:
            raise ValueError(f"candidates must be at least 2, the label's class and another, got {self.candidates}")

    def init(self, task: Task) -> Walk:
        logits = task.logits(task.x)
        return Walk(task.x, logits, torch.zeros_like(task.x), logits.argmax(1) != task.y)

    def step(self, task: Task, state: Walk, k: int) -> Walk:
        classes = self._classes(task, state.logits)
        logits, grads = task.gradients(state.x, classes)
        z = logits.gather(1, classes)
        gain, slope = z[:, 1:] - z[:, :1], grads[:, 1:] - grads[:, :1]
        n, others = gain.shape
        steep = task.threat.dual(slope.flatten(0, 1)).view(n, others)
        nearest = ((BEYOND - gain).clamp_min(BEYOND) / steep.clamp_min(torch.finfo(steep.dtype).tiny)).argmin(1)
        row = torch.arange(n, device=gain.device)
        slope, steep, gap = slope[row, nearest], steep[row, nearest], (BEYOND - gain[row, nearest]).clamp_min(BEYOND)
        length = torch.where(steep > 0, gap / steep, torch.zeros_like(gap))
        total = state.total + task.threat.step(state.x, slope, length) - state.x
        x = (task.x + (1 + self.overshoot) * total).clamp(task.threat.lo, task.threat.hi)
        answer = task.logits(x)
        return Walk(x, answer, total, answer.argmax(1) != task.y)

    def _classes(self, task: Task, logits: Tensor) -> Tensor:
        """(n, k): the label's class, and the likeliest others, or the target alone."""
        if task.target is not None:
            return torch.stack((task.y, task.target), 1)
        k = min(self.candidates, logits.shape[1])
        return logits.scatter(1, task.y[:, None], torch.inf).topk(k, dim=1).indices
