"""gradalign: FGSM with gradients that agree nearby. Andriushchenko and Flammarion 2020 (2007.02617)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.zoo.fgsm import FGSM
from robust.train.recipe import RECIPES, LossFunction, Selection
from robust.train.recipes._shared import input_gradient


@RECIPES.register("gradalign")
@dataclass(frozen=True, slots=True)
class GradAlign:
    """Cross-entropy after one full step, plus `align` times 1 - cos of the gradients at x and at a random neighbour.

    This keeps the loss so close to linear in the ball that one step is as strong as many.
    """

    align: float = 0.2
    selects: ClassVar[Selection] = "robust"

    def __post_init__(self) -> None:
        if self.align < 0:
            raise ValueError(f"align must be 0 or above, got {self.align:g}")

    def inputs(self, task: Task) -> Tensor:
        return run_steps(FGSM(), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        here = input_gradient(task, task.x)
        there = input_gradient(task, task.threat.sample(task.x, task.rng))
        misalignment = 1 - F.cosine_similarity(here, there, dim=1).mean()
        return criterion(task.model(x), task.y) + self.align * misalignment
