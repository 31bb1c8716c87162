"""fgsm-rs, "fast" adversarial training: one step from a random start. Wong, Rice and Kolter 2020 (2001.03994)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.words import STEPPED
from robust.attacks.zoo.pgd import PGD
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection


@RECIPES.register("fgsm-rs")
@dataclass(frozen=True, slots=True)
class FGSMRS:
    """Cross-entropy after one step, longer than eps so that the random start does not weaken it."""

    stride: float = 1.25  # length of the step, as a share of eps: 10/255 for 8/255
    selects: ClassVar[Selection] = "robust"
    families: ClassVar[tuple[str, ...]] = STEPPED
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        self._attack()  # raises an error if the options are wrong

    def _attack(self) -> PGD:
        return PGD(steps=1, stride=self.stride)

    def inputs(self, task: Task) -> Tensor:
        return run_steps(self._attack(), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x), task.y)
