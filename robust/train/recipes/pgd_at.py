"""pgd-at, adversarial training with PGD: Madry et al. 2018 (1706.06083)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.words import STEPPED
from robust.attacks.zoo.pgd import PGD
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection
from robust.train.search import search_under


@RECIPES.register("pgd-at")
@dataclass(frozen=True, slots=True)
class PGDAT:
    """Cross-entropy on PGD's inputs; steps and stride as Rice, Wong and Kolter 2020 (2002.11569).

    Where images are turned or moved, these are the worst of as many random draws (Engstrom et al. 2019, 1712.02779).
    """

    steps: int = 10
    stride: float = 0.25  # length of a step, as a share of eps: 2/255 for 8/255
    selects: ClassVar[Selection] = "robust"
    families: ClassVar[tuple[str, ...]] = STEPPED
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        self._attack()  # raises an error if the options are wrong

    def _attack(self) -> PGD:
        return PGD(self.steps, self.stride)

    def inputs(self, task: Task) -> Tensor:
        return run_steps(search_under(task.threat, self._attack()), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x), task.y)
