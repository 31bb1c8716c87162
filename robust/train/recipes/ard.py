"""ard, adversarially robust distillation from a robust teacher: Goldblum et al. 2020 (1905.09747)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.zoo.pgd import PGD
from robust.train.recipe import RECIPES, LossFunction, RecipeRun, Selection
from robust.train.recipes._shared import distill
from robust.train.teacher import check_softening, check_teacher, load_teacher


@RECIPES.register("ard")
@dataclass(frozen=True, slots=True)
class ARD:
    """The divergence of the answers on PGD's inputs from the teacher's clean answers, both softened by a temperature.

    `teacher` is FILE.py:FACTORY, or a file of weights: of `teacher_arch`, or else of the student's own architecture.
    """

    teacher: str = ""
    teacher_arch: str = ""
    temperature: float = 30.0
    share: float = 1.0  # the share of the teacher in the loss; the rest is cross-entropy on clean inputs
    steps: int = 10
    stride: float = 0.25  # length of a step, as a share of eps: 2/255 for 8/255
    selects: ClassVar[Selection] = "robust"

    def __post_init__(self) -> None:
        check_teacher("ard", self.teacher, self.teacher_arch)
        check_softening(self.temperature, self.share)
        self.attack()  # raises an error if the options are wrong

    def attack(self) -> PGD:
        return PGD(self.steps, self.stride)

    def begin(self, module: nn.Module) -> RecipeRun:
        return _Distillation(self, load_teacher(self.teacher, self.teacher_arch, module))


@dataclass(frozen=True, slots=True)
class _Distillation:
    """A run of the recipe with its teacher."""

    recipe: ARD
    teacher: nn.Module

    def inputs(self, task: Task) -> Tensor:
        return run_steps(self.recipe.attack(), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        share = self.recipe.share
        distilled = distill(self.teacher, task.x, task.model(x), task.y, self.recipe.temperature)
        return distilled if share == 1 else (1 - share) * criterion(task.model(task.x), task.y) + share * distilled
