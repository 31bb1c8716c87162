"""standard: cross-entropy on clean inputs. The baseline that adversarial training is measured against."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robust.attacks.task import Task
from robust.train.recipe import RECIPES, LossFunction, Selection


@RECIPES.register("standard")
@dataclass(frozen=True, slots=True)
class Standard:
    """No attack."""

    selects: ClassVar[Selection] = "clean"

    def inputs(self, task: Task) -> Tensor:
        return task.x

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x), task.y)
