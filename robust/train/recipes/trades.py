"""trades: a trade-off of accuracy and robustness by a factor beta. Zhang et al. 2019 (1901.08573)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.engine import run_steps
from robust.attacks.losses import Loss
from robust.attacks.task import Task
from robust.attacks.words import STEPPED
from robust.attacks.zoo.pgd import PGD
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection
from robust.train.recipes._shared import check_beta, divergence_from
from robust.train.search import search_under


@RECIPES.register("trades")
@dataclass(frozen=True, slots=True)
class Trades:
    """Cross-entropy on clean inputs, plus beta times the divergence of PGD's answers from the clean answers."""

    beta: float = 6.0
    steps: int = 10
    stride: float = 0.225  # length of a step, as a share of eps: .007 for .031
    # The divergence has no gradient at x itself; the paper starts .001 away, for an eps of .031.
    start: float = 0.03
    selects: ClassVar[Selection] = "robust"
    families: ClassVar[tuple[str, ...]] = STEPPED
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        check_beta(self.beta)
        self._attack("ce")  # raises an error if the options are wrong

    def _attack(self, loss: Loss | str) -> PGD:
        return PGD(self.steps, self.stride, self.start, loss)

    def inputs(self, task: Task) -> Tensor:
        clean = task.logits(task.x)
        attack = self._attack(divergence_from(clean, task.criterion.labels))
        return run_steps(search_under(task.threat, attack), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        logits = task.model(task.x)  # in separate passes, so that batch norm sees each kind by itself
        if task.criterion.labels == "values":  # in the scale of the criterion, which is that of the labels
            return criterion(logits, task.y) + self.beta * criterion(task.model(x), logits)
        divergence = divergence_from(logits, task.criterion.labels)(task.model(x), task.y)
        return criterion(logits, task.y) + self.beta * divergence.mean()
