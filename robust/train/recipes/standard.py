"""standard: cross-entropy on clean inputs. The baseline that adversarial training is measured against."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from robust.attacks.task import Task
from robust.train.recipe import RECIPES, Selection


@RECIPES.register("standard")
@dataclass(frozen=True, slots=True)
class Standard:
    """No attack."""

    selects: ClassVar[Selection] = "clean"

    def loss(self, task: Task) -> Tensor:
        return F.cross_entropy(task.model(task.x), task.y)
