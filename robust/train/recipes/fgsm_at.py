"""fgsm-at, adversarial training with FGSM: Goodfellow, Shlens and Szegedy 2015 (1412.6572)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.words import STEPPED
from robust.attacks.zoo.fgsm import FGSM
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection


@RECIPES.register("fgsm-at")
@dataclass(frozen=True, slots=True)
class FGSMAT:
    """Cross-entropy on clean inputs and on the inputs of one full step, half and half."""

    clean: float = 0.5  # the share of the clean inputs' loss; 0: the step's inputs alone
    selects: ClassVar[Selection] = "robust"
    families: ClassVar[tuple[str, ...]] = STEPPED
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        if not 0 <= self.clean < 1:
            raise ValueError(f"clean, a share of the loss, must be from 0 to below 1, got {self.clean:g}")

    def inputs(self, task: Task) -> Tensor:
        return run_steps(FGSM(), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        loss = criterion(task.model(x), task.y)
        return loss if self.clean == 0 else loss.lerp(criterion(task.model(task.x), task.y), self.clean)
