"""PGD, projected gradient descent: Madry et al. 2018 (1706.06083)."""

from dataclasses import dataclass

from torch import Tensor

from robust.attacks.catalogue import ATTACKS
from robust.attacks.engine import Ascent, Task
from robust.attacks.losses import Loss, loss_named


@ATTACKS.register("pgd")
@dataclass(frozen=True, slots=True)
class PGD:
    """`steps` steps of `stride` eps along the steepest ascent of the loss, each projected, from a random start."""

    steps: int = 40
    stride: float = 0.25  # length of a step, as a share of eps
    start: float = 1.0  # size of the random start, as a share of the ball; 0 starts at x
    loss: str | Loss = "ce"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.stride <= 0:
            raise ValueError(f"stride, a share of eps, must be above 0, got {self.stride:g}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the ball, must be from 0 to 1, got {self.start:g}")
        loss_named(self.loss)

    def init(self, task: Task) -> Ascent:
        x = task.x.lerp(task.threat.sample(task.x, task.rng), self.start) if self.start else task.x
        return self._look(task, x)

    def step(self, task: Task, state: Ascent, k: int) -> Ascent:
        x = task.threat.step(state.x, state.grad, self.stride * float(task.threat.eps))
        x = task.threat.project(x, task.x)
        if k + 1 == self.steps:  # nobody will use a gradient at the last iterate
            return Ascent(x, None, state.grad)
        return self._look(task, x)

    def _look(self, task: Task, x: Tensor) -> Ascent:
        logits, _, grad = task.ascent(x, loss_named(self.loss))
        return Ascent(x, logits, grad)
