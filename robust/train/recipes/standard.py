"""standard: cross-entropy on clean inputs, the baseline of adversarial training."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.task import Task
from robust.attacks.words import FAMILIES
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection


@RECIPES.register("standard")
@dataclass(frozen=True, slots=True)
class Standard:
    """Cross-entropy on clean inputs, without an attack."""

    selects: ClassVar[Selection] = "clean"
    families: ClassVar[tuple[str, ...]] = FAMILIES
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def inputs(self, task: Task) -> Tensor:
        return task.x

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x), task.y)
