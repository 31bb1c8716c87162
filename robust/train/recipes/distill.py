"""distill, knowledge distillation on clean inputs from any teacher: Hinton et al. 2015 (1503.02531)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from robust.attacks.task import Task
from robust.attacks.words import FAMILIES
from robust.train.recipe import RECIPES, LossFunction, RecipeRun, Selection
from robust.train.recipes._shared import distill
from robust.train.teacher import check_softening, check_teacher, load_teacher


@RECIPES.register("distill")
@dataclass(frozen=True, slots=True)
class Distill:
    """The divergence of the answers from the teacher's, both softened by a temperature, without an attack.

    `teacher` is FILE.py:FACTORY, or a file of weights: of `teacher_arch`, or else of the student's own architecture.
    """

    teacher: str = ""
    teacher_arch: str = ""
    temperature: float = 4.0
    share: float = 0.9  # the share of the teacher in the loss; the rest is cross-entropy
    selects: ClassVar[Selection] = "clean"
    families: ClassVar[tuple[str, ...]] = FAMILIES

    def __post_init__(self) -> None:
        check_teacher("distill", self.teacher, self.teacher_arch)
        check_softening(self.temperature, self.share)

    def begin(self, module: nn.Module) -> RecipeRun:
        return _Distillation(self, load_teacher(self.teacher, self.teacher_arch, module))


@dataclass(frozen=True, slots=True)
class _Distillation:
    """A run of the recipe with its teacher."""

    recipe: Distill
    teacher: nn.Module

    def inputs(self, task: Task) -> Tensor:
        return task.x

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        logits, share = task.model(x), self.recipe.share
        distilled = distill(self.teacher, x, logits, task.y, self.recipe.temperature)
        return distilled if share == 1 else (1 - share) * criterion(logits, task.y) + share * distilled
